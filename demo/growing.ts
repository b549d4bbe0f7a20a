/** Text areas that are as tall as their text. */
const hasFieldSizing = CSS.supports("field-sizing", "content");

/** Now and while it is written in. Where the style sheet's `field-sizing` works, it does all of it. */
export function fitToText(area: HTMLTextAreaElement): void {
  if (hasFieldSizing) return;
  const fit = (): void => {
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight + area.offsetHeight - area.clientHeight}px`;
  };
  area.addEventListener("input", fit);
  requestAnimationFrame(fit);
}

/** The icons, drawn here so that none is fetched: 20 × 20, in the colour of the text. Decoration only: controls carry labels. */
const shapes = {
  back: "M12.5 4.5 7 10l5.5 5.5",
  check: "m4.5 10.5 3.5 3.5 7.5-8",
  chevron: "m5.5 8 4.5 4.5L14.5 8",
  copy: "M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3",
  cross: "m5.5 5.5 9 9m0-9-9 9",
  edit: "m4 16 .8-3.4 8-8a1.4 1.4 0 0 1 2 0l.6.6a1.4 1.4 0 0 1 0 2l-8 8z",
  key: "M12.5 10.5a3.5 3.5 0 1 0-3-1.7L4 14.3V16h2.2v-1.6h1.6v-1.6h1.6l.7-.8a3.5 3.5 0 0 0 2.4-.5zM13 6.6v.1",
  plus: "M10 4.5v11M4.5 10h11",
  remove: "M4.5 6h11M8 6V4.2h4V6m-6.3 0 .7 9.8h7.2l.7-9.8M8.6 9v4m2.8-4v4",
  share: "M10 12V3.5m0 0L6.8 6.7M10 3.5l3.2 3.2M6 9.5H4.5v7h11v-7H14",
  warning: "M10 3.5 17 16H3zM10 8.2v3.6m0 2v.1",
} as const;

export type IconName = keyof typeof shapes;

const svg = "http://www.w3.org/2000/svg";

export function icon(name: IconName): SVGElement {
  const path = document.createElementNS(svg, "path");
  path.setAttribute("d", shapes[name]);
  return drawing("0 0 20 20", "icon", [path]);
}

/** The mark of the product: two waves and what the tide leaves. */
export function mark(): SVGElement {
  const waves = [
    "M3 8.5c3-2.8 6-2.8 9 0s6 2.8 9 0",
    "M3 14.5c3-2.8 6-2.8 9 0s6 2.8 9 0",
    "M7.5 20c1.5-1.2 3-1.2 4.5 0s3 1.2 4.5 0",
  ];
  const paths = waves.map((wave) => {
    const path = document.createElementNS(svg, "path");
    path.setAttribute("d", wave);
    return path;
  });
  return drawing("0 0 24 24", "mark", paths);
}

function drawing(viewBox: string, name: string, paths: readonly SVGPathElement[]): SVGElement {
  const made = document.createElementNS(svg, "svg");
  made.setAttribute("viewBox", viewBox);
  made.setAttribute("class", name);
  made.setAttribute("aria-hidden", "true");
  made.append(...paths);
  return made;
}

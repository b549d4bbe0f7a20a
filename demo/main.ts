/** The demo of Tidemark: a shared board. */
import { App } from "./app.ts";
import { element } from "./element.ts";

const app = new App({
  root: find("app"),
  announcer: find("announcer"),
  toasts: find("toasts"),
  banners: find("banners"),
});
find("skip").addEventListener("click", (event) => {
  event.preventDefault(); // What stands behind the # of the address is the board.
  document.getElementById("main")?.focus();
});
void app.start();

function find(id: string): HTMLElement {
  return document.getElementById(id) ?? document.body.appendChild(element("div", { id }));
}

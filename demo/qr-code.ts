/** A QR code, drawn as one path: what a camera reads is the link. */
import { encode } from "uqr";

/** Around the code, in modules: less, and some cameras do not find it. */
const margin = 4;
const svg = "http://www.w3.org/2000/svg";

/** Undefined for a text that no QR code holds. */
export function qrCode(text: string, label: string): SVGElement | undefined {
  const matrix = matrixOf(text);
  if (matrix === undefined) return undefined;
  const side = matrix.length + 2 * margin;
  const made = document.createElementNS(svg, "svg");
  made.setAttribute("viewBox", `${-margin} ${-margin} ${side} ${side}`);
  made.setAttribute("class", "qr");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  const path = document.createElementNS(svg, "path");
  path.setAttribute("d", matrix.flatMap(rowPath).join(""));
  made.append(path);
  return made;
}

function matrixOf(text: string): readonly (readonly boolean[])[] | undefined {
  try {
    return encode(text, { ecc: "L", border: 0 }).data;
  } catch {
    return undefined; // Longer than the largest code: there is still the link.
  }
}

/** Neighbours are one rectangle: between two of them some screens show a line. */
function rowPath(row: readonly boolean[], y: number): readonly string[] {
  const rectangles: string[] = [];
  for (let x = 0; x < row.length; x++) {
    if (!row[x]) continue;
    const end = row.indexOf(false, x);
    const width = (end < 0 ? row.length : end) - x;
    rectangles.push(`M${x} ${y}h${width}v1h-${width}z`);
    x += width;
  }
  return rectangles;
}

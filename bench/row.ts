/** The row of the workloads: 230 B as JSON. Needs nothing around it: its text is also run on pages. */
export function benchRow(i: number): Record<string, unknown> {
  // Text that does not compress to nothing, and costs nothing to make.
  const text = Array.from({ length: 11 }, (_, k) =>
    ((i * 2_654_435_761 + k * 40_503) >>> 0).toString(36).padStart(11, "0"),
  ).join(" ");
  return { title: `Note ${i}`, text, done: i % 3 === 0, order: i, by: "k7Qx2mVw", at: 1_790_000_000_000 + i };
}

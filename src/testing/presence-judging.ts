/** [SIMULATION-20] Once it has been quiet for a while, everybody who may read sees those who may read and have said that they are there, and nothing of it is stored. */
import { presenceBeatMs, presenceLifeMs } from "../core/limits.ts";
import { type LifeDocuments, saying } from "./life-documents.ts";
import { nameOf, shownAt } from "./presence-pages.ts";
import type { Scene } from "./scene.ts";

/** What was said before is over by then, and what is so was said once more. */
const quietMs: number = presenceLifeMs + 2 * presenceBeatMs;

/** Everything that is wrong. */
export async function judgePresence(scene: Scene, documents: LifeDocuments): Promise<readonly string[]> {
  if (!documents.hasSaid) return [];
  const { cluster, id } = scene;
  await cluster.pass(quietMs);
  const { circle } = scene;
  const there = documents.tabs.filter(({ device }) => device !== undefined && circle.includes(device));
  const expected = there.flatMap(({ device, serial, said }) =>
    device === undefined || said === undefined ? [] : [[nameOf(device.key, serial), said] as const],
  );
  scene.count("seen to be there", expected.length);
  const [seen, problems] = [JSON.stringify(Object.fromEntries(expected.sort())), [] as string[]];
  for (const device of circle) {
    const shown = JSON.stringify(shownAt(device, id));
    if (shown !== seen) problems.push(`device ${device.key.slice(0, 6)} shows ${shown}, there are ${seen}`);
    if (holds(device.disk, new Set())) problems.push(`device ${device.key.slice(0, 6)} has stored who is there`);
  }
  return problems;
}

const latin = new TextDecoder("latin1");

/** Whether it is somewhere in what is stored. */
function holds(value: unknown, seen: Set<object>): boolean {
  if (typeof value === "string") return value.includes(saying);
  if (typeof value !== "object" || value === null || seen.has(value)) return false;
  seen.add(value);
  if (ArrayBuffer.isView(value)) return latin.decode(value).includes(saying);
  const parts = value instanceof Map ? [...value].flat() : Object.values(value);
  return parts.some((part) => holds(part, seen));
}

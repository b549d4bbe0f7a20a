/** What is said of this device: which tab works, how well it keeps what is saved, and what came of looking or of a file. */
import type { ImportReport, StorageStatus, Tab, VerifyReport } from "tidemark";
import { bytesWords } from "./amounts.ts";
import { countWords, listWords } from "./element.ts";
import type { Words } from "./status-words.ts";

export function tabWords(state: Tab["state"], count: number): Words {
  const others = count - 1;
  switch (state) {
    case "leading":
      if (others < 1) return { text: "This tab does the work", tone: "good" };
      return { text: `This tab does the work for ${countWords(count, "tab")}`, tone: "good" };
    case "following":
      return { text: `Another tab does the work for ${countWords(Math.max(2, count), "tab")}`, tone: "good" };
    case "waiting":
      return { text: "A tab is about to take over the work…", tone: "busy" };
  }
}

export function storageWords({ state, reason, damagedEntries }: StorageStatus): Words {
  switch (state) {
    case "persistent":
      return { text: "Saved on this device, for good", tone: "good" };
    case "best-effort":
      return {
        text: "Saved on this device. The browser may delete it when the disk gets full or nobody comes for weeks.",
        tone: "good",
      };
    case "memory":
      return { text: "Not saved: it is gone when the tab that does the work is closed", tone: "warning" };
    case "at-risk":
      if (reason === "full") return { text: "This device is full: nothing new is saved", tone: "warning" };
      if (reason !== "damaged") return { text: "This device does not save anything just now", tone: "warning" };
      return {
        text: `${countWords(damagedEntries, "change")} saved here can no longer be read, and are asked for from others`,
        tone: "warning",
      };
  }
}

export function usageWords({ usedBytes, quotaBytes }: StorageStatus): string {
  if (usedBytes === undefined) return "";
  if (quotaBytes === undefined) return `${bytesWords(usedBytes)} used`;
  return `${bytesWords(usedBytes)} of ${bytesWords(quotaBytes)} used`;
}

/** Empty while there is nothing to foresee. */
export function forecastWords({ bytesPerDay, fullInDays }: StorageStatus): string {
  if (bytesPerDay === undefined || bytesPerDay <= 0) return "";
  const growth = `Grows by ${bytesWords(bytesPerDay)} a day`;
  if (fullInDays === undefined) return growth;
  if (fullInDays > 730) return `${growth}; at that pace there is room for years`;
  return `${growth}; at that pace it is full in ${countWords(Math.max(1, Math.round(fullInDays)), "day")}`;
}

export function verifyWords({ checked, damaged, salvaged, healed }: VerifyReport): string {
  const looked = `${countWords(checked, "record")} looked at.`;
  if (damaged === 0) return `${looked} All as it was written.`;
  const left = damaged - salvaged - healed;
  const mended = `${countWords(damaged, "record")} damaged, ${salvaged + healed} of them mended.`;
  return left === 0 ? `${looked} ${mended}` : `${looked} ${mended} The rest comes from others when they are online.`;
}

export function importWords({ databases, recovery }: ImportReport): string {
  if (databases.length === 0) return "There was no board in the file.";
  const words = databases.map(importedWords);
  if (recovery !== undefined) words.push("The key in the file leads back into the boards that you looked after.");
  return words.join(" ");
}

function importedWords({
  name,
  state,
  added,
  known,
  refused,
  waiting,
  missing,
}: ImportReport["databases"][number]): string {
  if (state === "rootless") return `“${name}” cannot be made from this file: its beginning is missing.`;
  const parts = [
    ...(added > 0 ? [`${countWords(added, "change")} added`] : []),
    ...(known > 0 ? [`${known.toLocaleString("en")} here already`] : []),
    ...(refused > 0 ? [`${refused.toLocaleString("en")} refused`] : []),
    ...(waiting > 0 ? [`${waiting.toLocaleString("en")} waiting`] : []),
    ...(missing > 0 ? [`${missing.toLocaleString("en")} missing`] : []),
  ];
  const what = state === "created" ? "is back" : "was here";
  return `“${name}” ${what}: ${parts.length === 0 ? "nothing to add" : listWords(parts)}.`;
}

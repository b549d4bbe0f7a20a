/** Errors in the words of somebody who came to write notes. */
import { type ErrorCode, type ErrorDetails, TidemarkError } from "tidemark";

export interface Explanation {
  readonly title: string;
  /** What to do about it; may be empty. */
  readonly hint: string;
}

const explanations: Partial<Record<ErrorCode, Explanation>> = {
  INSTANCE_IN_USE: {
    title: "Your boards are open in another tab",
    hint: "One tab at a time works with them. Go on in that tab, or close it and try again here.",
  },
  WORKER_BOOT: {
    title: "The board could not start",
    hint: "Its background script did not load. Check the network connection and load the page again.",
  },
  WORKER_DEAD: {
    title: "The board has stopped",
    hint: "Everything that was saved is safe. Load the page again to go on.",
  },
  CALL_INTERRUPTED: {
    title: "The tab that did this was closed meanwhile",
    hint: "It may be done or not: look, then try again.",
  },
  MEMORY_LOST: {
    title: "What was on this page is gone",
    hint: "This browser saves nothing here, and the tab that held it was closed. Load the page again to begin anew.",
  },
  BUILD_OUTDATED: {
    title: "A newer version of this page is open in another tab",
    hint: "Load this page again to get it, too. What you wrote is kept.",
  },
  INSTANCE_WIPED: {
    title: "Everything on this device was deleted",
    hint: "Load the page again to begin anew.",
  },
  DATABASE_REMOVED: { title: "Its owner removed this board", hint: "It can be read, and not changed any more." },
  EDIT_LOST: {
    title: "Something written right before a tab was closed could not be saved",
    hint: "Look what is missing, and write it again.",
  },
  EXPORT_MALFORMED: {
    title: "This file is damaged, cut off, or holds no boards",
    hint: "What was taken from it so far is kept. Try another copy of the file.",
  },
  BACKUP_PASSPHRASE: { title: "That is not the passphrase of the file", hint: "Type it once more." },
  STORAGE_NEWER: {
    title: "A newer version of this page has saved things here",
    hint: "Load the page again to get that version.",
  },
  STORAGE_FENCED: { title: "Another tab has taken over", hint: "Everything goes on there." },
  INSTANCE_CLOSED: { title: "The board is closed", hint: "Load the page again to go on." },
  ENVIRONMENT_UNSUPPORTED: {
    title: "This browser cannot run the board",
    hint: "It needs workers and IndexedDB. A recent Chrome, Edge, Firefox or Safari has both.",
  },
  STORAGE_UNAVAILABLE: {
    title: "This browser does not let the board save anything",
    hint: "Private windows and blocked site data can do that. Allow site data for this page, or use another window.",
  },
  STORAGE_QUOTA: { title: "This device is full", hint: "The change was not saved. Free some space and try again." },
  STORAGE_CORRUPT: {
    title: "What is saved on this device is damaged",
    hint: "Other people's devices still have their copies.",
  },
  STORAGE_CLOSED: { title: "The browser closed the storage", hint: "Load the page again to go on." },
  PERMISSION_DENIED: {
    title: "You may not do that on this board",
    hint: "Ask somebody who may for the permission.",
  },
  TICKET_MALFORMED: {
    title: "This link is broken",
    hint: "Check that the whole link was copied, to its very last character, or ask for a new one.",
  },
  JOIN_REFUSED: {
    title: "This link does not open the board any more",
    hint: "It was withdrawn, is used up, or was made for something else. Ask the person who sent it for a new one.",
  },
  INVITE_UNKNOWN: { title: "That link is withdrawn already", hint: "" },
  REQUEST_UNKNOWN: { title: "Nobody asks for that any more", hint: "" },
  REQUEST_DECIDED: { title: "Somebody has decided that already", hint: "" },
  DATABASE_UNKNOWN: {
    title: "That board is not on this device",
    hint: "Open the link that was shared with you once more.",
  },
  DATABASE_NOT_READY: { title: "The board has not arrived yet", hint: "Wait until somebody who has it is online." },
  ENTRY_TOO_LARGE: { title: "That is too much at once", hint: "Try it in smaller pieces." },
  CHANNEL_CLOSED: { title: "A connection broke off", hint: "It is made again by itself." },
  HANDSHAKE_TIMEOUT: { title: "A device did not answer in time", hint: "It is tried again by itself." },
  ENTRY_TIME_AHEAD: {
    title: "A change from a clock that runs ahead is held back",
    hint: "It appears when its time has come. Check the clock of the device that wrote it.",
  },
  HANDSHAKE_VERSION: {
    title: "A device has another version of this app",
    hint: "Load the page again on both devices.",
  },
  HANDSHAKE_SIGNATURE: { title: "A device could not prove who it is", hint: "Nothing was exchanged with it." },
  HANDSHAKE_PEER: { title: "Another device than expected answered", hint: "Nothing was exchanged with it." },
  PEER_UNKNOWN: { title: "That device is not known here any more", hint: "" },
  PEER_INACTIVE: { title: "Syncing with that device is paused", hint: "Go on syncing with it first." },
  PEER_BLOCKED: { title: "That device is blocked", hint: "Let it in again first." },
  PEER_GIVEN_UP: { title: "A device was not reached many times", hint: "It is tried again when it appears by itself." },
  PEER_LOST_DATA: { title: "A device came back with an empty disk", hint: "It is sent everything again." },
  PEER_SILENT: { title: "A device fell silent", hint: "It is tried again by itself." },
  PUSH_GIVEN_UP: { title: "Too much waited for a device", hint: "Nothing is lost: it is compared with that device." },
  EXCHANGE_STALLED: { title: "An exchange did not move on", hint: "It begins anew by itself." },
  CONNECT_FAILED: {
    title: "A device could not be reached",
    hint: "See whether it is awake, online and has the board open.",
  },
  CONNECT_REFUSED: { title: "A device turned this one away", hint: "Ask its user to let you in." },
  JOB_UNKNOWN: { title: "That is over already", hint: "" },
  JOB_STATE: { title: "That has changed meanwhile", hint: "" },
  TIMEOUT: { title: "That took too long", hint: "It goes on by itself; look again later." },
  DOC_UNAVAILABLE: {
    title: "The text could not be loaded",
    hint: "A part of the app that texts need did not arrive. Check the network connection, then try again; if that does not help, load the page again.",
  },
  DOC_LARGE: {
    title: "The text has become very long",
    hint: "It opens slowly from now on. Begin a new board for more.",
  },
  DOC_FAULTY: { title: "A change of the text that makes no sense is left out", hint: "" },
  ENTRY_PERMISSION: { title: "A change by somebody who may not write was refused", hint: "" },
};

export function explain(error: unknown): Explanation {
  if (!(error instanceof TidemarkError)) return { title: "Something unexpected went wrong", hint: String(error) };
  const code: ErrorCode = error.code;
  return (
    explanations[code] ?? { title: "Something went wrong", hint: inputWords(error) ?? error.hint ?? error.message }
  );
}

/** Of an error that is remembered by its code alone. */
export function explainCode(code: string): Explanation {
  return new Map(Object.entries(explanations)).get(code) ?? { title: code, hint: "" };
}

/** What somebody typed, perhaps into the address, that cannot be. */
function inputWords({ code, details }: TidemarkError): string | undefined {
  if (code !== "INPUT_INVALID") return undefined;
  const { field, expected } = details as ErrorDetails["INPUT_INVALID"];
  return `The ${field} has to be ${expected}.`;
}

export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof TidemarkError && codes.includes(error.code);
}

/** After this nothing works on this page until it is loaded again. */
export function endsAll(error: unknown): boolean {
  return hasCode(error, "WORKER_DEAD", "MEMORY_LOST", "BUILD_OUTDATED", "INSTANCE_WIPED");
}

/**
 * A page of a simulated browser: the real line of its client over a real host in a worker of its own, and what the client's `InstanceLink`
 * does about leaders, the worker's end and the page's own, without anything that only browsers have.
 */

import { LeaderLine } from "../client/leader-line.ts";
import type { Edit, Leader } from "../client/line.ts";
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";
import { closeTimeoutMs } from "../core/limits.ts";
import type { WriteId } from "../engine/writes.ts";
import type { Carry } from "../tabs/messages.ts";
import { pairChannelName, tabLockName } from "../tabs/names.ts";
import { openPair, type Pair } from "../tabs/pair-endpoint.ts";
import type { BootInfo, TabStanding, WorkerApi, WorkerEvent } from "../worker/api.ts";
import { fromErrorData } from "../worker/error-data.ts";
import { TabHost } from "../worker/tab-host.ts";
import type { TabSite } from "./tab-site.ts";
import type { Realm } from "./tabs-world.ts";

export const instanceName = "notes";

/** The leadership that serves the page, or is about to. */
interface Attachment {
  readonly lead: string;
  /** Undefined: the own worker leads. */
  readonly pair: Pair<BootInfo, WorkerEvent> | undefined;
  leader: Leader | undefined;
}

export class SitePage {
  readonly tab: string;
  readonly page: Realm;
  readonly line: LeaderLine;
  readonly events: WorkerEvent[] = [];
  worker: Realm;
  host: TabHost;
  standing: TabStanding = { type: "waiting" };
  /** What its worker handed over without a copy, in pieces of memory. */
  transferred = 0;
  isSuspended = false;
  readonly #site: TabSite;
  readonly #name: string;
  /** Numbers of the writes that it has put into the outbox. */
  readonly #kept = new Set<number>();
  #workers = 0;
  #carry: Carry | undefined;
  #attachment: Attachment | undefined;
  #release: (() => void) | undefined;
  #isCached = false;
  #isClosing = false;
  #workerGone: () => void = () => {};
  #returning: Promise<void> = Promise.resolve();

  /** Made by `TabSite.addPage`. */
  constructor(site: TabSite, name: string) {
    this.#site = site;
    this.#name = name;
    this.tab = encodeHex(site.world.random.bytes(16));
    this.page = site.world.realm(`${name} page`);
    [this.worker, this.host] = this.#startWorker();
    this.line = new LeaderLine({
      tab: this.tab,
      forget: (number) => this.#forget(number),
      began: () => {},
      wrote: () => {},
    });
  }

  /** False once it was told to close. */
  get isTaking(): boolean {
    return !this.#isClosing;
  }

  get isAlive(): boolean {
    return this.page.state !== "dead";
  }

  async boot(): Promise<void> {
    await this.hold();
    await this.#bootWorker();
  }

  /** The page's lock. */
  async hold(): Promise<void> {
    if (this.#release !== undefined) return;
    const release = await this.page.locks.request(tabLockName(instanceName, this.tab));
    if (this.#isCached) release?.();
    else this.#release = release;
  }

  /** As for the back/forward cache. */
  letGo(): void {
    this.#release?.();
    this.#release = undefined;
  }

  /** Asks the leader to serve this page, as if it had forgotten. */
  attachAgain(): void {
    this.#tell((host) => host.attach());
  }

  /** Rejects with what a leader says, but for CALL_INTERRUPTED: then the next one is asked. */
  call<T>(run: (api: WorkerApi) => Promise<T>): Promise<T> {
    return this.line.call("call", run);
  }

  /** `edit`: what it is, when it can be done without this page. */
  write<T>(run: (api: WorkerApi, write: WriteId) => Promise<T>, edit?: Edit): Promise<T> {
    return this.line.write("write", run, edit === undefined ? {} : { edit });
  }

  problems(): readonly string[] {
    return this.events.flatMap((event) => (event.type === "problem" ? [event.error.code] : []));
  }

  setVisible(on: boolean): void {
    this.#tell((host) => host.setVisible(on));
  }

  /** As the page is hidden: it may end without another word. At once in the outbox, as the browser has it then. */
  keep(): void {
    const { outbox } = this.#site;
    for (const { number, edit } of this.line.openEdits()) {
      this.#kept.add(number);
      const isThere = outbox.some((write) => write.tab === this.tab && write.number === number);
      if (!isThere) outbox.push(structuredClone({ tab: this.tab, number, edit }));
    }
  }

  /** Nothing of the page runs from now on, until `resume`. `cached`: in the back/forward cache. */
  suspend(cached: boolean): void {
    if (this.isSuspended) return;
    this.isSuspended = true;
    this.keep();
    this.line.hold();
    this.#serveBy(undefined);
    this.#tell((host) => host.suspend());
    this.#isCached = cached;
    if (cached) this.letGo();
    this.page.freeze();
  }

  resume(): void {
    if (!this.isSuspended) return;
    this.isSuspended = false;
    this.#isCached = false;
    this.thaw();
    this.#returning = this.#returning.then(async () => {
      await this.hold();
      if (this.#isCached || this.#isClosing) return;
      if (!this.isSuspended) this.#tell((host) => host.resume());
    });
  }

  freeze(): void {
    this.page.freeze();
    this.worker.freeze();
  }

  thaw(): void {
    if (!this.isSuspended) this.page.thaw();
    this.worker.thaw();
  }

  /** The tab is gone at once, without a word. */
  kill(): void {
    this.page.kill();
    this.worker.kill();
  }

  /** The worker alone is gone, and another begins. */
  restart(): void {
    this.worker.kill();
    this.#workerGone();
    if (this.standing.type === "leading") this.line.hold();
    this.#drop(this.#attachment);
    this.standing = { type: "waiting" };
    [this.worker, this.host] = this.#startWorker();
    this.#inWorker(() => this.#bootWorker()).catch(() => {});
  }

  /** As the app's `close` does it. */
  async close(): Promise<void> {
    const reason = new TidemarkError("INSTANCE_CLOSED", { name: instanceName });
    this.#isClosing = true;
    this.line.refuse(reason);
    await Promise.race([this.line.writesEnded(), this.page.work(closeTimeoutMs)]);
    this.keep();
    const gone = new Promise<void>((resolve) => {
      this.#workerGone = resolve;
    });
    await Promise.race([this.#inWorker((host) => host.close()), gone]);
    this.#serveBy(undefined);
    this.line.end(reason);
    this.letGo();
    this.kill();
  }

  #startWorker(): [Realm, TabHost] {
    const realm = this.#site.world.realm(`${this.#name} worker ${this.#workers++}`);
    return [realm, new TabHost(async () => this.#site.platform(realm))];
  }

  async #bootWorker(): Promise<void> {
    const { worker, host } = this;
    const { browser } = this.#site.world;
    const postMessage = (event: WorkerEvent, transfer: Transferable[] = []): void => {
      const sent = structuredClone(event, { transfer });
      this.transferred += transfer.length;
      browser.pass(worker, this.page, () => worker === this.worker && this.#take(sent));
    };
    const boot = { relays: [], iceServers: [], sync: {}, name: instanceName, lifeLock: "", tab: this.tab };
    const again = this.#carry === undefined ? {} : { carry: this.#carry };
    await host.boot({ ...boot, ...again }, { postMessage } as unknown as MessagePort);
  }

  async #forget(number: number): Promise<void> {
    if (!this.#kept.has(number)) return;
    await this.#site.world.browser.call(this.page, () => this.#takeOut(number));
    this.#kept.delete(number);
  }

  #takeOut(taken: number): void {
    const { outbox } = this.#site;
    const at = outbox.findIndex(({ tab, number }) => tab === this.tab && number === taken);
    if (at >= 0) outbox.splice(at, 1);
  }

  #take(event: WorkerEvent): void {
    if (event.type === "tab") return this.#stand(event.state);
    if (event.type === "carry") this.#carry = event.carry;
    const isServing = this.#attachment === undefined || this.#attachment.pair === undefined;
    if (isServing || event.type === "problem" || event.type === "carry") this.events.push(event);
  }

  #stand(state: TabStanding): void {
    this.standing = state;
    const { lead, leader } = this.#attachment ?? {};
    if (state.type === "failed" && state.error.code === "INSTANCE_IN_USE") {
      return this.line.turnAway(fromErrorData(state.error));
    }
    if (!("lead" in state)) return this.line.hold();
    if (state.lead === lead) return leader && this.line.attach(leader);
    this.line.hold();
    if (state.type === "leading") void this.#attachToOwn(state.lead);
    else this.#attachToOther(state.lead);
  }

  async #attachToOwn(lead: string): Promise<void> {
    const attachment: Attachment = { lead, pair: undefined, leader: undefined };
    this.#serveBy(attachment);
    const { host } = this;
    const info = await this.#inWorker(() => host.attach()).catch(() => undefined); // It leads no more: the next state is on the way.
    if (info === undefined) this.#drop(attachment);
    else this.#attached(attachment, this.#reach(host));
  }

  #attachToOther(lead: string): void {
    const channel = this.page.channels.open(pairChannelName(instanceName, lead, this.tab));
    const pair = openPair<BootInfo, WorkerEvent>(channel, (note) => {
      if (note.type === "event") this.events.push(note.event);
      else this.#attached(attachment, this.#site.wrap(pair.endpoint) as WorkerApi);
    });
    const attachment: Attachment = { lead, pair, leader: undefined };
    this.#serveBy(attachment);
    this.#inWorker((host) => host.attach()).catch(() => this.#drop(attachment));
  }

  #attached(attachment: Attachment, api: WorkerApi): void {
    if (attachment !== this.#attachment) return;
    attachment.leader = { api };
    if ("lead" in this.standing) this.line.attach(attachment.leader);
  }

  #serveBy(attachment: Attachment | undefined): void {
    this.#attachment?.pair?.close();
    this.#attachment = attachment;
  }

  #drop(attachment: Attachment | undefined): void {
    if (attachment === this.#attachment && attachment?.leader === undefined) this.#serveBy(undefined);
  }

  /** The own worker as Comlink has it: each call takes its time, there and back. */
  #reach(host: TabHost): WorkerApi {
    return new Proxy(host, {
      get: (_host, name) => {
        const method = Reflect.get(host, name) as (...args: unknown[]) => Promise<unknown>;
        return (...args: unknown[]) => this.#inWorker(() => method.apply(host, args));
      },
    });
  }

  #inWorker<T>(run: (host: TabHost) => Promise<T>): Promise<T> {
    const { worker, host } = this;
    const { browser } = this.#site.world;
    const back = (action: () => void): void => browser.pass(worker, this.page, action);
    return new Promise((resolve, reject) => {
      const answered = (value: T): void => back(() => resolve(value));
      const failed = (error: unknown): void => back(() => reject(error));
      browser.pass(this.page, worker, () => void run(host).then(answered, failed));
    });
  }

  #tell(run: (host: TabHost) => Promise<unknown>): void {
    this.#inWorker(run).catch(() => {}); // Its events say what came of it.
  }
}

/**
 * What a worker does for its own page: takes part in who leads, leads when it is its turn, and answers the page's calls while it does.
 *
 * [CLIENT-1] Calls made while this worker does not serve its page reject with CALL_INTERRUPTED: whoever does is to be asked.
 */
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";
import { invalid } from "../core/store/values.ts";
import { applySettings, defaultSettings } from "../engine/settings.ts";
import type { TransportBuilder } from "../ports/transport.ts";
import { thisBuild } from "../tabs/build.ts";
import { Candidate } from "../tabs/candidate.ts";
import type { Carry } from "../tabs/messages.ts";
import type { LeadStart, TabState } from "../tabs/tab-state.ts";
import type { BootInfo, BootOptions, TabApi, TabInfo, TabStanding } from "./api.ts";
import { Builders } from "./builders.ts";
import { type Client, interrupted } from "./client.ts";
import { ClientCalls } from "./client-calls.ts";
import { buffersOf } from "./document-watches.ts";
import { toErrorData } from "./error-data.ts";
import { Leader } from "./leader.ts";
import { browserPlatform, type Platform, type PlatformBuilder, type Tell } from "./platform.ts";

interface Booted {
  readonly tab: string;
  readonly candidate: Candidate;
  readonly tell: Tell;
}

export class TabHost extends ClientCalls implements TabApi {
  readonly #builders = new Builders();
  readonly #platform: PlatformBuilder;
  #isBooted = false;
  #booted: Booted | undefined;
  #leader: Leader | undefined;
  /** The own page, while this tab leads. */
  #client: Client | undefined;
  #closing: Promise<void> | undefined;

  constructor(platform: PlatformBuilder = browserPlatform) {
    super();
    this.#platform = platform;
  }

  /** For whoever runs in this worker, before `boot`: one more type of transport. Throws INPUT_INVALID. */
  register(builder: TransportBuilder): void {
    this.#builders.add(builder);
  }

  async boot(options: BootOptions, events: MessagePort): Promise<TabInfo> {
    if (this.#isBooted) throw invalid("boot", "a second call", "one");
    this.#isBooted = true;
    const tell: Tell = (event, transfer = []) => events.postMessage(event, transfer);
    const platform = await this.#platform(options, tell, this.#builders.take());
    const { name, sync, visible = true, tab = encodeHex(platform.random.bytes(16)) } = options;
    const { carry = { online: true, settings: sync } } = options;
    const candidate = new Candidate({
      ...platform,
      ...{ name, tab, visible, carry },
      build: thisBuild,
      lead: (start) => this.#lead(platform, options, start),
      carried: (changed) => tell({ type: "carry", carry: changed }),
      changed: (state) => tell({ type: "tab", state: toStanding(state) }),
    });
    this.#booted = { tab, candidate, tell };
    candidate.start();
    return { tab };
  }

  async attach(): Promise<BootInfo | undefined> {
    const { tab, candidate, tell } = this.#booted ?? {};
    if (tab === undefined || tell === undefined || candidate === undefined) throw interrupted("attach");
    if (candidate.state.type === "following") return void candidate.attach();
    const leader = candidate.state.type === "leading" ? this.#leader : undefined;
    if (leader === undefined) throw interrupted("attach");
    this.#client = leader.attachOwn(tab, (event) => tell(event, buffersOf(event)));
    return leader.info;
  }

  async setVisible(on: boolean): Promise<void> {
    this.#booted?.candidate.setVisible(on);
  }

  async ping(): Promise<void> {}

  async suspend(): Promise<void> {
    await this.#booted?.candidate.suspend();
  }

  async resume(): Promise<void> {
    const { candidate, tell } = this.#booted ?? {};
    candidate?.resume();
    // It led on meanwhile: its page is to be served again.
    if (candidate?.state.type === "leading") tell?.({ type: "tab", state: candidate.state });
  }

  /** The others are served until peers have what waits for them: they lose nothing by it. */
  close(): Promise<void> {
    this.#closing ??= this.#closeNow();
    return this.#closing;
  }

  protected override run<T>(name: string, call: (client: Client) => T | Promise<T>): Promise<T> {
    return this.#client?.run(name, call) ?? Promise.reject(interrupted(name));
  }

  async #closeNow(): Promise<void> {
    await this.#leader?.drain();
    this.#booted?.candidate.detach();
    await this.#booted?.candidate.close();
  }

  async #lead(platform: Platform, { name, sync }: BootOptions, start: LeadStart): Promise<Leader> {
    const { tab: own, candidate } = this.#booted as Booted;
    const carry: Carry = { ...start.carry, settings: isSettings(start.carry) ? start.carry.settings : sync };
    const leader = await Leader.start(
      {
        ...platform,
        ...{ name, own },
        carryChanged: (changed) => candidate.carry(changed),
        fenced: (lead) => candidate.stepDown(lead),
        lost: (lead, error) => candidate.stepDown(lead, error),
        stopped: (stopped) => this.#stopped(stopped),
      },
      { ...start, carry },
    );
    this.#leader = leader;
    return leader;
  }

  #stopped(leader: Leader): void {
    if (this.#leader !== leader) return;
    this.#leader = undefined;
    this.#client = undefined;
  }
}

/** It may come from another build. */
function isSettings({ settings }: Carry): boolean {
  try {
    applySettings(defaultSettings, settings);
    return true;
  } catch (error) {
    if (error instanceof TidemarkError) return false;
    throw error;
  }
}

function toStanding(state: TabState): TabStanding {
  return state.type === "failed" ? { type: "failed", error: toErrorData(state.error) } : state;
}

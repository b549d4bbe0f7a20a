/**
 * Keeps an encrypted database's epochs in order, on the devices of its admins.
 *
 * [ENCRYPTION-14] What a change of settings left to be done is done by the admins' devices that are there, some seconds later: newcomers
 *   get the keys they lack, and after somebody lost the right to read another epoch begins.
 *
 * Each waits for a while of its own, so that one is usually done before the others look.
 */
import type { PublicKey } from "../core/ids.ts";
import type { Replica } from "../core/replica.ts";
import { WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import type { Clock } from "../ports/clock.ts";
import type { Encryption } from "./encryption.ts";
import { epochSecretBytesLength, type PlannedChange, planEpochs } from "./epoch-plan.ts";
import type { EnginePorts } from "./ports.ts";

const waitMsMin = 500;
const waitMsMax = 4_500;

export interface EpochUpkeepOptions {
  readonly ports: Pick<EnginePorts, "sealing" | "random"> & { readonly clock: Clock };
  readonly replica: Replica;
  readonly encryption: Encryption;
  readonly self: () => PublicKey;
  /** Resolves when they are durable. */
  readonly commit: (ops: readonly SettingsOp[]) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

export class EpochUpkeep {
  readonly #options: EpochUpkeepOptions;
  #cancel: (() => void) | undefined;
  #isStopped = false;

  constructor(options: EpochUpkeepOptions) {
    this.#options = options;
  }

  /** The settings have changed, or the database was opened. */
  wake(): void {
    if (this.#isStopped || this.#cancel !== undefined || !this.#mayGive()) return;
    const { clock, random } = this.#options.ports;
    const [high = 0, low = 0] = random.bytes(2);
    const waitMs = waitMsMin + ((waitMsMax - waitMsMin) * (256 * high + low)) / 65_536;
    this.#cancel = clock.after(Math.floor(waitMs), () => {
      this.#cancel = undefined;
      this.#tend().catch((error: unknown) => this.#options.failed(error));
    });
  }

  /** What has to be written with a change of settings, one list for each entry; the first belongs into that of the change. */
  async plan(change?: PlannedChange): Promise<readonly (readonly SettingsOp[])[]> {
    const { ports, replica, encryption, self } = this.#options;
    const { sealing, random } = ports;
    if (sealing === undefined || !this.#mayGive()) return [];
    const newSecret = (): Uint8Array => random.bytes(epochSecretBytesLength);
    return planEpochs({ replica, keys: encryption.keys, sealing, self: self(), newSecret }, change);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  async #tend(): Promise<void> {
    for (const ops of await this.plan()) if (!this.#isStopped) await this.#options.commit(ops);
  }

  #mayGive(): boolean {
    const { ports, replica, encryption, self } = this.#options;
    if (replica.settings.removed !== undefined) return false;
    return encryption.isOn && ports.sealing !== undefined && replica.authority.power(self()) < WRITE;
  }
}

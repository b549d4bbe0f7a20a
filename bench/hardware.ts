/** What this machine can do at the same moment, in the same browsers: every figure of the workloads is a ratio to one of these. */
import type { Page } from "@playwright/test";
import { loadSha256 } from "../src/crypto/sha256.ts";

export interface Hardware {
  /** WebCrypto Ed25519 over 300 B, in a page, per second. */
  readonly verifiesPerSecond: number;
  readonly signsPerSecond: number;
  /** Entries of 300 B packed by 1,000 into IndexedDB, strict, per second. */
  readonly storedPerSecond: number;
  /** Raw data channel between the two browsers, 64 KiB messages, MB/s. */
  readonly channelMegabytesPerSecond: number;
  /** Raw data channel, 100 B there and back, median ms. */
  readonly channelRoundTripMs: number;
  /** SHA-256 over 1 KiB as the engine computes it, in this process, per second. */
  readonly hashesPerSecond: number;
}

export async function measureHardware(a: Page, b: Page): Promise<Hardware> {
  const crypto = await a.evaluate(measureCrypto);
  const storedPerSecond = await b.evaluate(measureStorage);
  const channel = await measureChannel(a, b);
  return { ...crypto, storedPerSecond, ...channel, hashesPerSecond: await measureHashes() };
}

async function measureHashes(): Promise<number> {
  const sha256 = await loadSha256();
  const message = new Uint8Array(1_024);
  const count = 50_000;
  const start = performance.now();
  for (let i = 0; i < count; i++) sha256(message);
  return (count * 1_000) / (performance.now() - start);
}

async function measureCrypto(): Promise<Pick<Hardware, "verifiesPerSecond" | "signsPerSecond">> {
  const pair = (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
  const message = new Uint8Array(300);
  const count = 2_000;
  let start = performance.now();
  let signature = new ArrayBuffer(0);
  for (let i = 0; i < count; i++) signature = await crypto.subtle.sign("Ed25519", pair.privateKey, message);
  const signsPerSecond = (count * 1_000) / (performance.now() - start);
  start = performance.now();
  for (let i = 0; i < count; i++) await crypto.subtle.verify("Ed25519", pair.publicKey, signature, message);
  return { signsPerSecond, verifiesPerSecond: (count * 1_000) / (performance.now() - start) };
}

async function measureStorage(): Promise<number> {
  const connection = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open("bench-hardware", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("records");
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  const [records, perRecord] = [100, 1_000];
  const start = performance.now();
  for (let i = 0; i < records; i++) {
    await new Promise<void>((resolve, reject) => {
      const tx = connection.transaction("records", "readwrite", { durability: "strict" });
      tx.objectStore("records").put(new Uint8Array(300 * perRecord), i);
      tx.oncomplete = () => resolve();
      tx.onerror = () => reject(tx.error);
    });
  }
  const rate = (records * perRecord * 1_000) / (performance.now() - start);
  connection.close();
  return rate;
}

async function measureChannel(
  a: Page,
  b: Page,
): Promise<Pick<Hardware, "channelMegabytesPerSecond" | "channelRoundTripMs">> {
  const offer = await a.evaluate(openChannel, undefined);
  const answer = await b.evaluate(openChannel, offer);
  await a.evaluate(async (description) => {
    await channelEnd.connection.setRemoteDescription(JSON.parse(description));
    await channelEnd.opened;
  }, answer);
  const channelRoundTripMs = await a.evaluate(measureRoundTrip);
  const channelMegabytesPerSecond = await a.evaluate(measureThroughput);
  await Promise.all([a, b].map((page) => page.evaluate(() => channelEnd.connection.close())));
  return { channelMegabytesPerSecond, channelRoundTripMs };
}

interface ChannelEnd {
  readonly connection: RTCPeerConnection;
  readonly channel: RTCDataChannel;
  readonly opened: Promise<void>;
}

declare global {
  var channelEnd: ChannelEnd;
}

/** On the page: with an offer the answering side, which sends small messages back and counts large ones. */
async function openChannel(offer: string | undefined): Promise<string> {
  const connection = new RTCPeerConnection();
  const channel = connection.createDataChannel("bench", { negotiated: true, id: 1 });
  channel.binaryType = "arraybuffer";
  let large = 0;
  channel.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    if (data.byteLength < 1_000) channel.send(data);
    else if (++large % 64 === 0) channel.send(new Uint8Array(8));
  };
  const opened = new Promise<void>((resolve) => {
    channel.onopen = () => resolve();
  });
  globalThis.channelEnd = { connection, channel, opened };
  if (offer !== undefined) await connection.setRemoteDescription(JSON.parse(offer));
  await connection.setLocalDescription();
  if (connection.iceGatheringState !== "complete") {
    await new Promise<void>((resolve) => {
      connection.onicegatheringstatechange = () => {
        if (connection.iceGatheringState === "complete") resolve();
      };
    });
  }
  return JSON.stringify(connection.localDescription);
}

async function measureRoundTrip(): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    await new Promise<void>((resolve) => {
      channelEnd.channel.onmessage = () => resolve();
      channelEnd.channel.send(new Uint8Array(100));
    });
    times.push(performance.now() - start);
  }
  return times.sort((x, y) => x - y)[100] ?? 0;
}

/** 64 MiB in messages of 64 KiB, until the other side has confirmed the last. */
async function measureThroughput(): Promise<number> {
  const { channel } = channelEnd;
  const message = new Uint8Array(64 * 1024);
  const [messages, perConfirmation] = [1_024, 64];
  channel.bufferedAmountLowThreshold = 128 * 1024;
  let confirmed = 0;
  const done = new Promise<void>((resolve) => {
    channel.onmessage = () => {
      confirmed += perConfirmation;
      if (confirmed === messages) resolve();
    };
  });
  const start = performance.now();
  for (let i = 0; i < messages; i++) {
    if (channel.bufferedAmount > 256 * 1024) {
      await new Promise<void>((resolve) => {
        channel.onbufferedamountlow = () => resolve();
      });
    }
    channel.send(message);
  }
  await done;
  return (messages * message.length) / 1e6 / ((performance.now() - start) / 1_000);
}

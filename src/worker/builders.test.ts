import { expect, test } from "vitest";
import type { TransportBuilder } from "../ports/transport.ts";
import { Builders } from "./builders.ts";

const pigeon: TransportBuilder = {
  type: "pigeon",
  addressTypes: ["pigeon"],
  checkConfig: () => {},
  build: () => {
    throw new Error("not built in this test");
  },
};

test("[CLIENT-20] types of transport are taken until the instance opens, each once", () => {
  const builders = new Builders();
  const invalid = expect.objectContaining({ code: "INPUT_INVALID" });
  builders.add(pigeon);
  expect(() => builders.add(pigeon)).toThrow(invalid);
  builders.add({ ...pigeon, type: "drum" });
  expect(builders.take().map(({ type }) => type)).toEqual(["pigeon", "drum"]);
  expect(() => builders.add({ ...pigeon, type: "smoke" })).toThrow(invalid);
});

test("[CLIENT-20] what is no builder is refused at the call", () => {
  const builders = new Builders();
  const wrong: readonly unknown[] = [
    undefined,
    {},
    { ...pigeon, type: "" },
    { ...pigeon, addressTypes: "pigeon" },
    { ...pigeon, addressTypes: ["Pigeon:"] },
    { ...pigeon, checkConfig: undefined },
    { ...pigeon, build: 5 },
  ];
  for (const one of wrong) {
    expect(() => builders.add(one as TransportBuilder)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
  }
  expect(builders.take()).toEqual([]);
});

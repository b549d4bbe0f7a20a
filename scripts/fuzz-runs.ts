import fc from "fast-check";

fc.configureGlobal({ numRuns: Number(process.env.FUZZ_RUNS) });

import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Only a build has the worker's file.
  resolve: { alias: { "virtual:stream-worker": fileURLToPath(new URL("test/worker_url.ts", import.meta.url)) } },
  test: {
    include: ["test/**/*.test.ts"],
    environment: "node",
    testTimeout: 20_000,
    // Much of a test of a page is waiting, so two cores can take two files, and not one, as is the runner's own choice.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});

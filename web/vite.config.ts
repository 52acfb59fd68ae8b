import { defineConfig } from "vite";

const apiTarget = process.env["CANDLEWICK_API"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  // The assets are served from the same origin as the API, so absolute paths keep deep links such as /ops working.
  base: "/",
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    // Preloading costs a helper in the first chunk and saves nothing for pages that are one chunk each.
    modulePreload: false,
    // The browsers that know light-dark(); without this the minifier expands every token into a fallback.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    reportCompressedSize: true,
  },
  worker: { format: "es" },
  server: { proxy: { "/api": apiTarget } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});

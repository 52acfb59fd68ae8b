import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const apiTarget = process.env["CANDLEWICK_API"] ?? "http://127.0.0.1:8000";

const workerSource = fileURLToPath(new URL("src/stream/worker.ts", import.meta.url));

/**
 * Builds the stream worker together with the page, as one more entry, so that both load the same file
 * of shared model code. Vite's own worker build would put a second copy into the worker.
 */
function streamWorker(): Plugin {
  const name = "virtual:stream-worker";
  let serving = false;
  return {
    name: "stream-worker",
    configResolved: (config) => {
      serving = config.command === "serve";
    },
    resolveId: (id) => (id === name ? `\0${name}` : null),
    load(id) {
      if (id !== `\0${name}`) return null;
      if (serving) return 'export default "/src/stream/worker.ts";';
      const file = this.emitFile({ type: "chunk", id: workerSource, name: "stream-worker" });
      return `export default import.meta.ROLLUP_FILE_URL_${file};`;
    },
  };
}

/** Fetches the styles of a part of the page with its code. Vite's own helper also preloads scripts, at four times the size. */
const STYLE_LOADER = `
const asked = {};
const fetchStyle = (file) => (asked[file] ??= new Promise((done, fail) => {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = "/" + file;
  link.onload = done;
  link.onerror = () => {
    delete asked[file];
    link.remove();
    fail(new Error(file));
  };
  document.head.append(link);
}));
export const __vitePreload = (load, files = []) => Promise.all(files.map(fetchStyle)).then(load);
`;

function smallPreload(): Plugin {
  return {
    name: "small-preload",
    enforce: "pre",
    apply: "build",
    load: (id) => (id === "\0vite/preload-helper.js" ? STYLE_LOADER : null),
  };
}

export default defineConfig({
  // The assets are served from the same origin as the API, so absolute paths keep deep links such as /ops working.
  base: "/",
  plugins: [smallPreload(), streamWorker()],
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    // Preloading costs a helper in the first chunk and saves nothing for pages that are one chunk each.
    modulePreload: false,
    // The browsers that know light-dark(); without this the minifier expands every token into a fallback.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    rolldownOptions: {
      // How long the minifier takes is no news to whoever sets this up.
      checks: { pluginTimings: false },
      output: {
        codeSplitting: {
          groups: [
            // The model is shared with the worker, which has no DOM; the compiler sees to it that the model needs none.
            { name: "model", priority: 2, test: /src\/model\/(?!article|candle_sentence|status|columnar|export|wire|overlay|swaps|runs|palette|record|facets|date_input|revisions|filter_queries|share)/ },
            // What the first candles need and the later parts share belongs into one file, not into five.
            { name: "page", priority: 1, test: /src\/(view\/(?!overlay|hands)|store\/api\.ts|app\/(state|navigation|prefs|lazy|code|icons|controller|chart_wiring|app|stage|watch_list|chart_cover|chart_host|connection_pill|label_mark|resolution_bar|live_page|page_link|page_names)\.)/ },
          ],
        },
      },
    },
    reportCompressedSize: true,
    // A second slower and one kilobyte smaller than the default minifier.
    minify: "terser",
    terserOptions: { module: true, ecma: 2022, compress: { passes: 4, pure_getters: true, unsafe: true, unsafe_arrows: true, unsafe_methods: true, keep_fargs: false }, mangle: { toplevel: true } },
  },
  server: { proxy: { "/api": apiTarget } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});

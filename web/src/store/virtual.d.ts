/** The address of the built stream worker; made by the plugin in `vite.config.ts`. */
declare module "virtual:stream-worker" {
  const url: string;
  export default url;
}

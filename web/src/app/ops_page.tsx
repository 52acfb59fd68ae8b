export function OpsPage() {
  return <main class="page" id="main" />;
}

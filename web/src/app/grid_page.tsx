export function GridPage() {
  return <main class="page" id="main" />;
}

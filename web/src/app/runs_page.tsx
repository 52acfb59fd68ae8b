import "./styles/pages.css";

export function RunsPage() {
  return (
    <main class="page" id="main" tabIndex={-1}>
      <h1>Runs</h1>
    </main>
  );
}

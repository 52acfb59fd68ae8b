import "./styles/dialog.css";
import "./styles/palette.css";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { choose, type Command } from "../model/palette.ts";
import { RESOLUTIONS } from "../model/resolution.ts";
import { MAX_WATCHED, parseSubject, shortName } from "../model/subject.ts";
import { goLive } from "./chart_host.tsx";
import { retryNow } from "./controller.ts";
import { useModal } from "./modal.ts";
import { go, selectResolution, selectSubject, setPrefs, toggleZone } from "./navigation.ts";
import { unwatch, watch } from "./watch_edits.ts";
import { PAGE_NAMES } from "./page_names.ts";
import { helpOpen, nameOf, paletteOpen, prefs, route, selected, subjects, watched } from "./state.ts";
import { copyCurl, copyLink, takeSeries } from "./take_along.ts";

const MAX_SHOWN = 60;

function pages(): Command[] {
  return PAGE_NAMES.map(({ page, label, key }) => ({
    id: `page-${page}`, group: "Pages", text: label, hint: `g ${key}`, run: () => go({ page, at: null }),
  }));
}

function subjectCommands(query: string): Command[] {
  const known = [...new Set([...watched.value, ...(subjects.value?.subjects ?? []).map((row) => row.subject)])];
  const typed = parseSubject(query);
  const commands = known.map((subject): Command => ({
    id: `subject-${subject}`, group: "Subjects", text: shortName(subject), hint: nameOf(subject) === subject ? "" : nameOf(subject),
    run: () => selectSubject(subject),
  }));
  if (typed === null || known.includes(typed)) return commands;
  return [...commands, { id: "subject-typed", group: "Subjects", text: `Open ${shortName(typed)}`, hint: "no news about it yet", run: () => selectSubject(typed) }];
}

function resolutions(): Command[] {
  return RESOLUTIONS.map((row, i) => ({
    id: `resolution-${row.id}`, group: "Resolutions", text: `${row.id} candles`, hint: `key ${i + 1}`, run: () => selectResolution(row.id),
  }));
}

function actions(): Command[] {
  const subject = selected.value;
  const fit = route.value.scale === "fit";
  const list: [string, string, Command["run"] | null][] = [
    ["Go to live", "l", goLive],
    [fit ? "Show the whole scale from \u22121 to +1" : "Fit the score axis", "f", () => go({ scale: fit ? "full" : "fit" }, "replace")],
    [prefs.value.zone === "utc" ? "Show local time" : "Show UTC", "u", toggleZone],
    ["Theme: light", "t", () => setPrefs({ theme: "light" })],
    ["Theme: dark", "t", () => setPrefs({ theme: "dark" })],
    ["Theme: as the system says", "t", () => setPrefs({ theme: "auto" })],
    ["Download this series as CSV", "file", () => takeSeries("csv")],
    ["Download this series as JSON lines", "file", () => takeSeries("jsonl")],
    ["Copy this series as curl", "command", copyCurl],
    ["Copy a link to this view", "address", copyLink],
    [`Watch ${subject ?? ""}`, "add", subject === null || watched.value.includes(subject) || watched.value.length >= MAX_WATCHED ? null : () => watch(subject)],
    [`Stop watching ${subject ?? ""}`, "remove", subject === null || !watched.value.includes(subject) ? null : () => unwatch(subject)],
    ["Reconnect now", "stream", retryNow],
    ["Help and keys", "?", () => (helpOpen.value = true)],
  ];
  return list.flatMap(([text, hint, run]) => (run === null ? [] : [{ id: `action-${text}`, group: "Actions" as const, text, hint, run }]));
}

function Option({ command, place, chosen, heading, pick, point }: { command: Command; place: number; chosen: boolean; heading: boolean; pick: () => void; point: () => void }) {
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (chosen) row.current?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return (
    <>
      {heading && <li class="palette-group" role="presentation">{command.group}</li>}
      <li ref={row} id={`palette-${place}`} role="option" aria-selected={chosen} class="palette-option" onClick={pick} onPointerMove={point}>
        <span class="palette-text">{command.text}</span>
        <span class="palette-hint">{command.hint}</span>
      </li>
    </>
  );
}

/** Pages, subjects, resolutions and actions behind one field. */
export function Palette() {
  const dialog = useModal();
  const query = useSignal("");
  const at = useSignal(0);
  const said = useSignal("");
  const close = (): void => {
    paletteOpen.value = false;
  };
  const offered = [...pages(), ...resolutions(), ...actions(), ...subjectCommands(query.value)];
  const found = choose(query.value, offered).slice(0, MAX_SHOWN);
  const place = Math.max(0, Math.min(at.value, found.length - 1));
  const pick = (command: Command | undefined): void => {
    if (command === undefined) return;
    const told = command.run();
    if (told === undefined) close();
    else void told.then((text) => (said.value = text));
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") pick(found[place]);
    else if (step === undefined || found.length === 0) return;
    else at.value = (place + step + found.length) % found.length;
    event.preventDefault();
  };
  return (
    <dialog ref={dialog} class="palette" aria-label="Commands" onClose={close} onClick={(event) => event.target === dialog.current && close()}>
      <input
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length === 0 ? undefined : `palette-${place}`}
        aria-label="Page, subject, resolution or action"
        placeholder="Page, subject, resolution or action"
        autocomplete="off"
        spellcheck={false}
        value={query.value}
        onInput={(event) => {
          query.value = event.currentTarget.value;
          at.value = 0;
          said.value = "";
        }}
        onKeyDown={onKey}
      />
      <ul id="palette-list" role="listbox" aria-label="Commands">
        {found.map((command, i) => (
          <Option
            key={command.id}
            command={command}
            place={i}
            chosen={i === place}
            heading={query.value === "" && command.group !== found[i - 1]?.group}
            pick={() => pick(command)}
            point={() => (at.value = i)}
          />
        ))}
      </ul>
      <p class="palette-said" role="status">{said.value}</p>
      {found.length === 0 && <p class="palette-none muted" role="status">Nothing answers to that.</p>}
    </dialog>
  );
}

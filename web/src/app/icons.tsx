import type { JSX } from "preact";

/** A few strokes each, drawn for this page; they take the colour and the size of the text around them. */
function icon(path: JSX.Element): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      {path}
    </svg>
  );
}

export const PlusIcon = () => icon(<path d="M8 3v10M3 8h10" />);
export const CloseIcon = () => icon(<path d="M4 4l8 8M12 4l-8 8" />);
export const ArrowIcon = () => icon(<path d="M3 8h9M8.5 4.5 12 8l-3.5 3.5" />);
export const SearchIcon = () => icon(<path d="M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9M10.3 10.3l3.2 3.2" />);
export const SunIcon = () => icon(<path d="M8 5.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9" />);
export const MoonIcon = () => icon(<path d="M13 9.6A5.4 5.4 0 0 1 6.4 3 5.4 5.4 0 1 0 13 9.6Z" />);
export const AutoIcon = () => icon(<path d="M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 2.5v11M8 5l4 0M8 8h5.5M8 11h4" />);

export function Brand() {
  return (
    <svg class="brand-mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path class="brand-flame" d="M12 1.8c1.9 2.2 3 3.7 3 5.2a3 3 0 0 1-6 0c0-1.5 1.1-3 3-5.2Z" />
      <rect class="brand-body" x="8" y="11.5" width="8" height="9" rx="1" />
      <path class="brand-wick" d="M12 9.8v1.7M12 20.5v2" />
    </svg>
  );
}

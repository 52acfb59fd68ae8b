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
export const SearchIcon = () => icon(<path d="M7 3a4 4 0 1 1 0 8 4 4 0 0 1 0-8M10 10l3 3" />);
export const SunIcon = () => icon(<path d="M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6M8 2v1M8 13v1M2 8h1M13 8h1M4 4l1 1M11 11l1 1M12 4l-1 1M5 11l-1 1" />);
export const MoonIcon = () => icon(<path d="M13 9.6A5.4 5.4 0 0 1 6.4 3 5.4 5.4 0 1 0 13 9.6Z" />);
export const AutoIcon = () => icon(<path d="M8 3a5 5 0 1 1 0 10 5 5 0 0 1 0-10M8 3v10M8 5h4M8 8h5M8 11h4" />);

export function Brand() {
  return (
    <svg class="brand-mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path class="brand-flame" d="M12 1.8c1.9 2.2 3 3.7 3 5.2a3 3 0 0 1-6 0c0-1.5 1.1-3 3-5.2Z" />
      <rect class="brand-body" x="8" y="11.5" width="8" height="9" rx="1" />
      <path class="brand-wick" d="M12 9.8v1.7M12 20.5v2" />
    </svg>
  );
}

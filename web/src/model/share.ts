/** A share in [0, 1] by the reader's locale: `92%`, `92 %`. */
export const shareText = (share: number, digits = 0): string =>
  share.toLocaleString(undefined, { style: "percent", maximumFractionDigits: digits });

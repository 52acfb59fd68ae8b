/** A share in [0, 1] by the reader's locale: `92%`, `92 %`. */
export const shareText = (share: number, digits = 0): string =>
  share.toLocaleString(undefined, { style: "percent", maximumFractionDigits: digits });

/** With so many digits after the reader's decimal sign, and a minus sign as wide as a plus: `0.250`, `−0,1`. */
export const decimalText = (value: number, digits: number): string =>
  value.toLocaleString(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "\u2212");

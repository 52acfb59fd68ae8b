const shares = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });

/** A share in [0, 1] by the reader's locale: `92%`, `92 %`. */
export const shareText = (share: number): string => shares.format(share);

/** A place in the change log, `<epoch>.<cursor>`: without the epoch it would be one of whatever is live by then. */
export const positionIn = (epoch: string, cursor: string): string => (cursor.includes(".") ? cursor : `${epoch}.${cursor}`);

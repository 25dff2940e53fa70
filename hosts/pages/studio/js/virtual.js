// Which rows of a long table stand in the page: those in view and a few around, so that the page stays small however many there are.

export const AROUND = 8; // rows before and after what is seen

// rows from `from` to before `to` are made; `before` and `after` are the pixels of those that are not
export function span(scrolled, height, rowHeight, count, around = AROUND) {
  const first = Math.max(0, Math.min(Math.floor(scrolled / rowHeight), count - 1));
  const from = Math.max(0, first - around);
  const to = Math.min(count, Math.ceil((Math.max(0, scrolled) + height) / rowHeight) + around);
  return { from, to: Math.max(from, to), before: from * rowHeight, after: (count - Math.max(from, to)) * rowHeight };
}

// where a table must be scrolled to for a row to be whole in view; null when it is already
export function revealed(row, scrolled, height, rowHeight) {
  const top = row * rowHeight;
  if (top < scrolled) return top;
  return top + rowHeight > scrolled + height ? top + rowHeight - height : null;
}

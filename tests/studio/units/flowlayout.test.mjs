// The picture of the flow has a place for every hop, whatever the width and however many groups there are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { NARROW, layout } from "../../../hosts/pages/studio/js/flow/layout.js";

const WIDTHS = [300, 336, 600, NARROW - 1, NARROW, 960, 1460];
const GROUPS = [
  [],
  [{ name: "rows", saga: false }],
  [{ name: "rows", saga: false }, { name: "selling", saga: true }],
  [{ name: "a", saga: false }, { name: "b", saga: false }, { name: "c", saga: false }, { name: "d", saga: true }, { name: "e", saga: true }],
];

const every = (check) => {
  for (const width of WIDTHS) for (const groups of GROUPS) check(layout(width, groups), groups, `${width} px, ${groups.length} groups`);
};

test("every hop has a card, and every saga one for what it sends", () =>
  every(({ cards }, groups, which) => {
    for (const id of ["clients", "commands", "store", "relay", "bus", "rows", "gateway"]) assert.ok(cards[id], `${id}, ${which}`);
    for (const { name, saga } of groups) {
      assert.ok(cards[`group ${name}`], which);
      assert.equal(`outbox ${name}` in cards, saga, which);
    }
  }));

test("cards stay in the picture and off each other", () =>
  every(({ cards, width, height }, _, which) => {
    const all = Object.entries(cards);
    for (const [id, { x, y, w, h }] of all) {
      assert.ok(x >= 0 && y >= 0 && x + w <= width + 0.5 && y + h <= height + 0.5 && w >= 100, `${id}, ${which}`);
      for (const [other, card] of all) {
        const apart = id === other || x + w <= card.x || card.x + card.w <= x || y + h <= card.y || card.y + card.h <= y;
        assert.ok(apart, `${id} lies on ${other}, ${which}`);
      }
    }
  }));

test("a pipe leads from card to card, and each group is fed by the bus", () =>
  every(({ cards, pipes, width, height }, groups, which) => {
    assert.equal(new Set(pipes.map((pipe) => pipe.id)).size, pipes.length, which);
    for (const { id, from, to, d, end } of pipes) {
      assert.ok(cards[from] && cards[to], `${id}, ${which}`);
      assert.ok(!/NaN|undefined/.test(d), `${id}: ${d}, ${which}`);
      assert.ok(end[0] >= 0 && end[0] <= width && end[1] >= 0 && end[1] <= height, `${id} ends outside, ${which}`);
    }
    for (const { name, saga } of groups) {
      assert.ok(pipes.some((pipe) => pipe.id === `bus > group ${name}`), which);
      assert.ok(pipes.some((pipe) => pipe.id === (saga ? `outbox ${name} > commands` : `group ${name} > rows`)), `${name}, ${which}`);
    }
  }));

import assert from "node:assert/strict";
import { test } from "node:test";

import { ACROSS, DOWN, layout, told } from "../../../hosts/pages/studio/js/chain.js";

const node = (id) => ({ id, stream: id.split("@")[0], version: Number(id.split("@")[1]) });
const edge = (from, to, saga = "selling") => ({ from, to, saga });
const sale = {
  nodes: ["order-1@1", "stock-tea@2", "payment-1@1", "order-1@2", "stock-tea@3", "payment-1@2"].map(node),
  edges: [
    edge("order-1@1", "stock-tea@2"),
    edge("stock-tea@2", "payment-1@1"),
    edge("payment-1@1", "order-1@2"),
    edge("order-1@2", "stock-tea@3"),
    edge("order-1@2", "payment-1@2"),
  ],
};

test("causes stand before their effects, the first effect on the line of its cause, in both directions", () => {
  for (const [way, along, beside] of [[ACROSS, "x", "y"], [DOWN, "y", "x"]]) {
    const picture = layout(sale, way);
    const at = new Map(picture.nodes.map((one) => [one.id, one]));
    for (const { from, to } of sale.edges) assert.ok(at.get(from)[along] < at.get(to)[along]);
    assert.equal(at.get("order-1@1")[beside], at.get("stock-tea@3")[beside]);
    assert.ok(at.get("payment-1@2")[beside] > at.get("stock-tea@3")[beside]);
    assert.equal(picture.edges.length, 5);
  }
});

// A forest of n events made by dice of its own: the same for every run.
function forest(seed, n) {
  let state = seed;
  const dice = (below) => (state = (state * 48271) % 2147483647) % below;
  const nodes = Array.from({ length: n }, (_, k) => node(`s-${k}@1`));
  const edges = nodes.slice(1).flatMap((one, k) => (dice(8) === 0 ? [] : [edge(nodes[dice(k + 1)].id, one.id)]));
  return { nodes, edges };
}

test("no two boxes overlap, and all of them lie inside the picture", () => {
  for (let seed = 1; seed <= 40; seed++) {
    for (const way of [ACROSS, DOWN]) {
      const { nodes, width, height } = layout(forest(seed, 1 + (seed % 30)), way);
      nodes.forEach((one, n) => {
        assert.ok(one.x >= 0 && one.y >= 0 && one.x + way.box.width <= width && one.y + way.box.height <= height);
        for (const other of nodes.slice(n + 1)) {
          assert.ok(Math.abs(one.x - other.x) >= way.box.width || Math.abs(one.y - other.y) >= way.box.height, `${one.id} ${other.id}`);
        }
      });
    }
  }
});

test("it is told in the order of causes, with depths; a cut chain leaves out lines to what is not there", () => {
  assert.deepEqual(told(sale).map(({ node: { id }, depth }) => [id, depth]), [
    ["order-1@1", 0], ["stock-tea@2", 1], ["payment-1@1", 2], ["order-1@2", 3], ["stock-tea@3", 4], ["payment-1@2", 4],
  ]);
  const cut = { nodes: [node("a-1@1"), node("b-1@1")], edges: [edge("gone-1@1", "a-1@1"), edge("b-1@1", "gone-2@1")] };
  assert.equal(layout(cut).edges.length, 0);
  assert.deepEqual(told(cut).map(({ depth }) => depth), [0, 0]);
});

test("an empty chain is an empty picture, and a circle ends", () => {
  assert.deepEqual(layout({ nodes: [], edges: [] }).nodes, []);
  told({ nodes: [node("a-1@1"), node("b-1@1")], edges: [edge("a-1@1", "b-1@1"), edge("b-1@1", "a-1@1")] });
});

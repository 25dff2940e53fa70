// Where the events of a chain stand in its picture: a small layered tree, causes before effects, no two boxes on one place.

// Sizes in CSS pixels; across: from left to right, with room for the name of a saga on every line; down: for a narrow screen.
export const ACROSS = { box: { width: 168, height: 56 }, gap: { along: 84, beside: 16 }, down: false };
export const DOWN = { box: { width: 168, height: 56 }, gap: { along: 40, beside: 12 }, down: true };
const EDGE = 2; // room around, for the outlines

// The picture of {nodes, edges} of a chain: {width, height, nodes: [{…node, x, y}], edges: [{…edge, path, label: {x, y}}]}.
// An event has one cause, so this is a forest; an edge from a node that is not there (a cut chain) is left out.
export function layout(chain, way = ACROSS) {
  const places = placed(chain, way);
  const nodes = chain.nodes.map((node) => ({ ...node, ...places.get(node.id) }));
  const edges = chain.edges
    .filter((edge) => places.has(edge.from) && places.has(edge.to))
    .map((edge) => ({ ...edge, ...line(places.get(edge.from), places.get(edge.to), way) }));
  const far = (name, size) => Math.max(0, ...nodes.map((node) => node[name] + size)) + EDGE;
  return { width: far("x", way.box.width), height: far("y", way.box.height), nodes, edges };
}

// The events in the order of their telling, each with how deep it stands and the event that caused it.
export function told(chain) {
  const { roots, below } = tree(chain);
  const found = [];
  const seen = new Set();
  const visit = (node, depth, edge) => {
    if (seen.has(node.id)) return;
    seen.add(node.id);
    found.push({ node, depth, edge });
    for (const next of below.get(node.id)) visit(next.node, depth + 1, next.edge);
  };
  for (const root of roots) visit(root, 0, null);
  return found;
}

function tree(chain) {
  const known = new Map(chain.nodes.map((node) => [node.id, node]));
  const below = new Map(chain.nodes.map((node) => [node.id, []]));
  const caused = new Set();
  for (const edge of chain.edges) {
    if (!known.has(edge.from) || !known.has(edge.to) || caused.has(edge.to)) continue;
    caused.add(edge.to);
    below.get(edge.from).push({ node: known.get(edge.to), edge });
  }
  return { roots: chain.nodes.filter((node) => !caused.has(node.id)), below };
}

// Layer by depth; each leaf has a lane of its own, and a cause stands in the lane of its first effect: the main line stays straight.
function placed(chain, way) {
  const along = (way.down ? way.box.height : way.box.width) + way.gap.along;
  const beside = (way.down ? way.box.width : way.box.height) + way.gap.beside;
  const places = new Map();
  let lane = -1;
  let depthBefore = Infinity;
  for (const { node, depth } of told(chain)) {
    if (depth <= depthBefore) lane += 1; // not a first effect: a lane of its own
    depthBefore = depth;
    const [x, y] = way.down ? [lane * beside, depth * along] : [depth * along, lane * beside];
    places.set(node.id, { x: x + EDGE, y: y + EDGE });
  }
  return places;
}

function line(from, to, way) {
  const { width, height } = way.box;
  const [x1, y1] = way.down ? [from.x + width / 2, from.y + height] : [from.x + width, from.y + height / 2];
  const [x2, y2] = way.down ? [to.x + width / 2, to.y] : [to.x, to.y + height / 2];
  const bend = way.gap.along / 2;
  const path = way.down
    ? `M${x1},${y1} C${x1},${y1 + bend} ${x2},${y2 - bend} ${x2},${y2}`
    : `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
  return { path, label: way.down ? { x: x2, y: y2 - way.gap.along / 2 } : { x: x2 - way.gap.along / 2, y: y2 } };
}

// What an operator does, one thing at a time: what is under way, and what came of it, told where a screen reader hears it.

import { html, operate, useRef, useState } from "./core.js";

// {busy, told, act}: `act(name, what, body, say)` posts /operate/<what>; `say(answer)` is what is told when it was done
export function useOperation() {
  const [busy, setBusy] = useState("");
  const [told, setTold] = useState(null);
  const running = useRef(false);
  const act = async (name, what, body, say) => {
    if (running.current) return null;
    running.current = true;
    setBusy(name);
    try {
      const answer = await operate(what, body);
      setTold({ good: true, text: say(answer) });
      return answer;
    } catch (failure) {
      setTold({ good: false, text: failure.message, code: failure.code });
      return null;
    } finally {
      running.current = false;
      setBusy("");
    }
  };
  return { busy, told, act, tell: setTold };
}

// the region is there before anything is told, or it would not be heard
export function Told({ told }) {
  return html`<div class="told" role="status">${told && html`<p class=${told.good ? "good" : "bad"}>${told.code && html`<code>${told.code}</code> `}${told.text}</p>`}</div>`;
}

// SPDX-License-Identifier: Apache-2.0
// What is from the input gets into the page as text alone.
"use strict";
(() => {
	const table = document.getElementById("table");
	if (!table) return;
	const $ = (id) => document.getElementById(id);
	const body = table.tBodies[0], rows = Array.from(body.rows), cells = Array.from($("cells").children);
	const data = JSON.parse($("data").textContent);
	const search = $("search"), all = $("all"), shown = $("shown"), panel = $("detail"), map = $("map"), under = $("under");
	const names = rows.map((r) => r.cells[0].textContent), words = rows.map((r) => r.textContent.toLowerCase());
	const number = new Intl.NumberFormat("en");
	rows.forEach((r, i) => { r.index = i; });
	cells.forEach((c, i) => { c.index = i; });

	const SVG = "http://www.w3.org/2000/svg";
	const element = (name, text, className) => {
		const e = document.createElement(name);
		if (text !== undefined) e.textContent = text;
		if (className) e.className = className;
		return e;
	};
	const shape = (name, attributes) => {
		const e = document.createElementNS(SVG, name);
		for (const k in attributes) e.setAttribute(k, attributes[k]);
		return e;
	};

	// Search and filter.
	let group = "";
	const differing = rows.some((r) => r.className !== "same");
	const filter = () => {
		const want = search.value.toLowerCase();
		table.classList.toggle("few", differing && !all.checked && !want && group !== "same");
		let n = 0;
		rows.forEach((r, i) => {
			const match = (!want || words[i].includes(want)) && (!group || r.className === group);
			r.hidden = !match;
			cells[i].classList.toggle("dim", !match);
			if (match && !(table.classList.contains("few") && r.className === "same")) n++;
		});
		shown.textContent = number.format(n) + " of " + number.format(rows.length) + " shown";
		roam(visible()[0]);
	};
	const visible = () => Array.from(body.rows).filter((r) => !r.hidden && !(table.classList.contains("few") && r.className === "same"));
	search.addEventListener("input", filter);
	all.addEventListener("change", filter);
	const buttons = Array.from($("legend").children);
	for (const b of buttons) {
		b.addEventListener("click", () => {
			group = group === b.dataset.g ? "" : b.dataset.g;
			for (const o of buttons) o.setAttribute("aria-pressed", String(o.dataset.g === group));
			filter();
		});
	}

	// Sort.
	const heads = Array.from(table.tHead.rows[0].cells);
	heads.forEach((th, column) => {
		const b = element("button", th.textContent);
		b.type = "button";
		th.replaceChildren(b);
		b.addEventListener("click", () => {
			const numeric = column > 2, old = th.getAttribute("aria-sort");
			const down = old === "none" ? numeric : old === "ascending";
			for (const o of heads) o.setAttribute("aria-sort", "none");
			th.setAttribute("aria-sort", down ? "descending" : "ascending");
			const keys = rows.map((r) => { const t = r.cells[column].textContent; return numeric ? (t === "" ? -1 : Number(t.replaceAll(",", ""))) : t; });
			const order = rows.slice().sort((x, y) => {
				const a = keys[x.index], c = keys[y.index];
				return (a < c ? -1 : a > c ? 1 : 0) * (down ? -1 : 1) || x.index - y.index;
			});
			body.append(...order);
		});
	});

	// One row can be reached with the tabulator, the others from there with arrows.
	let roaming = null;
	const roam = (r) => {
		if (roaming) roaming.tabIndex = -1;
		roaming = r || null;
		if (roaming) roaming.tabIndex = 0;
	};
	body.addEventListener("click", (e) => {
		const r = e.target.closest("tr");
		if (r) { roam(r); choose(r.index, true); }
	});
	body.addEventListener("keydown", (e) => {
		const r = e.target.closest("tr");
		if (!r) return;
		if (e.key === "Enter" || e.key === " ") {
			e.preventDefault();
			choose(r.index, true);
			return;
		}
		const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20, Home: -Infinity, End: Infinity }[e.key];
		if (step === undefined) return;
		e.preventDefault();
		const list = visible(), at = list.indexOf(r);
		const next = list[Math.max(0, Math.min(list.length - 1, at + step))];
		roam(next);
		next.focus();
	});

	// The map.
	const frame = shape("rect", { id: "at", width: 0, height: 0 });
	map.append(frame);
	$("cells").classList.add("live");
	map.tabIndex = 0;
	map.setAttribute("role", "application");
	map.setAttribute("aria-describedby", "under");
	under.setAttribute("role", "status");
	const still = under.textContent;
	let current = -1;
	const box = (i) => ["x", "y", "width", "height"].map((a) => Number(cells[i].getAttribute(a)));
	const point = (i) => {
		const [x, y, w, h] = box(i);
		current = i;
		frame.setAttribute("x", x);
		frame.setAttribute("y", y);
		frame.setAttribute("width", w);
		frame.setAttribute("height", h);
		under.textContent = names[i] + ": " + [rows[i].cells[1].textContent, rows[i].cells[2].textContent].filter(Boolean).join(", ");
	};
	map.addEventListener("mousemove", (e) => { if (e.target.index !== undefined) point(e.target.index); });
	map.addEventListener("mouseleave", () => { if (document.activeElement !== map) under.textContent = still; });
	map.addEventListener("click", (e) => { if (e.target.index !== undefined) { point(e.target.index); choose(e.target.index, false); } });
	map.addEventListener("focus", () => { if (current < 0) point(0); });
	map.addEventListener("keydown", (e) => {
		if (e.key === "Enter" || e.key === " ") {
			e.preventDefault();
			if (current >= 0) choose(current, true);
			return;
		}
		const d = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
		if (!d || current < 0) return;
		e.preventDefault();
		// The nearest cell beyond this one's edge, rather straight ahead than aside.
		const [x, y, w, h] = box(current), mx = x + w / 2, my = y + h / 2;
		let best = -1, least = Infinity;
		cells.forEach((c, i) => {
			const [cx, cy, cw, ch] = box(i);
			if (i === current || cw === 0 || ch === 0 || c.classList.contains("dim")) return;
			const beyond = d[0] > 0 ? cx - (x + w) : d[0] < 0 ? x - (cx + cw) : d[1] > 0 ? cy - (y + h) : y - (cy + ch);
			if (beyond < 0) return;
			const aside = d[0] ? Math.max(0, cy - my, my - (cy + ch)) : Math.max(0, cx - mx, mx - (cx + cw));
			const far = beyond + 4 * aside;
			if (far < least) { least = far; best = i; }
		});
		if (best >= 0) point(best);
	});

	// One module: the strip of its sections, and what differs.
	const bytes = (n, one) => number.format(n) + (n === 1 ? " byte" : " bytes") + (one || "");
	const strip = (blocks) => {
		const svg = shape("svg", { class: "strip", viewBox: "0 0 1000 46", preserveAspectRatio: "none", role: "img", "aria-label": "The sections of the file from left to right. The lower bar of each shows how much of it differs." });
		const long = blocks.map((b) => Math.max(b.la, b.lb)), total = long.reduce((x, y) => x + y, 0) || 1;
		const least = 4, room = Math.max(0, 1000 - least * blocks.length);
		let x = 0;
		blocks.forEach((b, i) => {
			const w = least + room * long[i] / total;
			const g = shape("g", {}), title = shape("title", {});
			title.textContent = b.n + ": " + bytes(b.la) + " in A, " + bytes(b.lb) + " in B; " + number.format(b.a || 0) + " / " + number.format(b.b || 0) + " differ" + (b.m ? ", " + number.format(b.m) + " moved" : "");
			g.append(title, shape("rect", { class: b.c ? b.c : "same", x: x, y: 0, width: w, height: 26 }));
			const part = Math.min(1, Math.max(b.a || 0, b.b || 0, b.m || 0) / (long[i] || 1));
			g.append(shape("rect", { class: "same", x: x, y: 30, width: w, height: 14 }));
			if (part > 0) g.append(shape("rect", { class: b.c, x: x, y: 30, width: Math.max(2, w * part), height: 14 }));
			svg.append(g);
			x += w;
		});
		return svg;
	};
	const lines = (head, list) => {
		const t = element("table"), h = t.createTHead().insertRow(), b = t.createTBody();
		head.forEach((s, i) => h.append(element("th", s, i > 1 ? "n" : "")));
		for (const cells of list) {
			const r = b.insertRow();
			cells.forEach((s, i) => r.append(element("td", s, i > 1 ? "n" : "")));
		}
		return t;
	};
	// Who leaves it is back where it was opened from.
	let from = null;
	const leave = () => {
		panel.hidden = true;
		if (from) from.focus();
		if (roaming && document.activeElement !== from) roaming.focus();
	};
	const choose = (i, go) => {
		if (!panel.contains(document.activeElement)) from = document.activeElement;
		const d = data[i], close = element("button", "close");
		close.type = "button";
		close.addEventListener("click", leave);
		panel.replaceChildren(element("h3", names[i]), element("p", [rows[i].cells[1].textContent, rows[i].cells[2].textContent].filter(Boolean).join("; ")));
		if (d === 1) panel.append(element("p", "What differs is not on this page, which would be too large. modhash diff --module says it.", "left"));
		if (d && d.b) {
			panel.append(strip(d.b));
			const list = d.b.filter((b) => b.c);
			if (list.length) panel.append(lines(["section", "", "bytes A", "bytes B", "differ in A", "in B", "moved"], list.map((b) => [b.n, b.c, number.format(b.la), number.format(b.lb), number.format(b.a || 0), number.format(b.b || 0), number.format(b.m || 0)])));
			if (d.bl) panel.append(element("p", number.format(d.bl) + " more sections", "left"));
		}
		if (d && d.i) {
			panel.append(lines(["cause", "what, A / B", "layer", "bytes A", "bytes B", "moved", "places"], d.i.map((t) => [
				t.id, [t.more ? number.format(t.more) + " more" : t.s || t.t || "", t.va || t.vb ? (t.va || "none") + " / " + (t.vb || "none") : ""].filter(Boolean).join(": "),
				t.l, number.format(t.a), number.format(t.b), number.format(t.m || 0), number.format(t.r)])));
			if (d.il) panel.append(element("p", number.format(d.il) + " more", "left"));
		}
		for (const n of (d && d.n) || []) panel.append(element("p", n));
		panel.append(close);
		panel.hidden = false;
		point(i);
		if (go) { panel.focus({ preventScroll: true }); panel.scrollIntoView({ block: "nearest" }); }
	};
	panel.addEventListener("keydown", (e) => { if (e.key === "Escape") leave(); });

	$("tools").hidden = false;
	filter();
})();

// SPDX-License-Identifier: Apache-2.0
// Uses a page as a person does who has a keyboard and a mouse, and writes what came of
// it to the end of the page. pages.sh puts it into a page of the sample builds a and c.
window.addEventListener("load", () => {
	const out = [], say = (what, value) => out.push(what + ": " + value), $ = (s) => document.querySelector(s);
	const key = (e, k) => e.dispatchEvent(new KeyboardEvent("keydown", { key: k, bubbles: true, cancelable: true }));
	const rows = () => Array.from(document.querySelectorAll("#table tbody tr")).filter((r) => r.offsetParent !== null);
	const search = (text) => {
		$("#search").value = text;
		$("#search").dispatchEvent(new Event("input"));
	};
	say("shown", $("#shown").textContent);
	$("#all").click();
	say("all", rows().length);
	search("FS/EXT4");
	say("search", rows().map((r) => r.cells[0].textContent));
	search("");
	$("#table th:nth-child(4) button").click();
	const sizes = rows().map((r) => Number(r.cells[3].textContent.replaceAll(",", "")));
	say("sorted", sizes.every((n, i) => !i || sizes[i - 1] >= n) + " " + $("#table th:nth-child(4)").getAttribute("aria-sort"));
	const first = rows()[0];
	first.focus();
	key(first, "ArrowDown");
	say("arrow", document.activeElement === rows()[1]);
	$("#map").focus();
	const before = $("#under").textContent;
	key($("#map"), "ArrowRight");
	key($("#map"), "ArrowDown");
	say("map", $("#under").textContent !== before && $("#under").textContent.startsWith("kernel/"));
	key($("#map"), "Enter");
	say("enter", document.activeElement.id + " " + !$("#detail").hidden);
	key($("#detail"), "Escape");
	say("escape", $("#detail").hidden + " " + document.activeElement.id);
	$("#table tr.change").click();
	say("strip", document.querySelectorAll("#detail .strip rect.change").length + " " + $("#detail .strip rect.change").parentNode.firstChild.textContent);
	$("#legend button").click();
	say("filter", rows().length + " " + $("#legend button").getAttribute("aria-pressed"));
	say("alien", document.querySelectorAll("img, iframe, a, link, object, [onerror], [onload]").length);
	const e = document.createElement("pre");
	e.id = "driver";
	e.textContent = "\n" + out.join("\n") + "\n";
	document.body.append(e);
});

import { parseVmList } from "../../../core/config/vm_list.ts";
let last="";
for (let d = 50; d < 5000; d += 7) for (const t of ["[".repeat(d)+"]".repeat(d), "- ".repeat(d)+"x", "{a: ".repeat(d)+"}".repeat(d), "vms: [{name: "+"[".repeat(d)+"]".repeat(d)+"}]"]) {
  try { const r = await parseVmList(t, "f"); const m = t.slice(0,4)+r.problems[0]?.message; if (m!==last) {last=m; if (d%500<8) console.log(d, m.slice(0,80));} } catch (e) { console.log("THROW", d, t.slice(0,5), String(e)); }
}

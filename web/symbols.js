// What the commands of TeX say.

// Names and characters, by turns.
const SAID = `
  alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ vartheta ϑ iota ι
  kappa κ lambda λ mu μ nu ν xi ξ pi π varpi ϖ rho ρ varrho ϱ sigma σ varsigma ς tau τ upsilon υ
  phi φ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Upsilon Υ
  Phi Φ Psi Ψ Omega Ω times × cdot · div ÷ pm ± mp ∓ ast ∗ star ⋆ circ ∘ bullet • oplus ⊕ otimes ⊗
  setminus ∖ over / colon : approx ≈ neq ≠ ne ≠ leq ≤ le ≤ geq ≥ ge ≥ leqslant ≤ geqslant ≥ lt <
  gt > ll ≪ gg ≫ equiv ≡ sim ∼ simeq ≃ cong ≅ propto ∝ mid | nmid ∤ parallel ∥ perp ⊥ prec ≺ succ ≻
  models ⊨ vdash ⊢ top ⊤ bot ⊥ infty ∞ sum ∑ prod ∏ int ∫ iint ∬ iiint ∭ oint ∮ partial ∂ nabla ∇
  prime ′ hbar ℏ ell ℓ Re ℜ Im ℑ in ∈ notin ∉ ni ∋ subset ⊂ subseteq ⊆ supset ⊃ supseteq ⊇ cup ∪
  cap ∩ bigcup ⋃ bigcap ⋂ emptyset ∅ varnothing ∅ aleph ℵ forall ∀ exists ∃ nexists ∄ neg ¬ lnot ¬
  land ∧ wedge ∧ lor ∨ vee ∨ therefore ∴ because ∵ angle ∠ triangle △ square □ blacksquare ■
  checkmark ✓ degree ° percent % to → rightarrow → longrightarrow → Rightarrow ⇒ Longrightarrow ⇒
  implies ⇒ leftarrow ← gets ← Leftarrow ⇐ impliedby ⇐ leftrightarrow ↔ Leftrightarrow ⇔ iff ⇔
  mapsto ↦ uparrow ↑ downarrow ↓ rightleftharpoons ⇌ hookrightarrow ↪ ldots … dots … cdots ⋯
  vdots ⋮ ddots ⋱ lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ langle ⟨ rangle ⟩ lbrace { rbrace } lbrack [
  rbrack ] vert | lvert | rvert | Vert ‖ lVert ‖ rVert ‖ backslash \\ quad \u2003
  qquad \u2003\u2003`;

const SILENT = `left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr
  displaystyle textstyle scriptstyle limits nolimits nonumber notag hline hfill`;

const pairs = [...SAID.matchAll(/([^ \n]+)[ \n]+([^ \n]+)/g)].map(([, name, char]) => [name, char]);
const silent = SILENT.split(/\s+/).map((name) => [name, ""]);

/** By name; "" for what only says how a formula looks. */
export const SYMBOLS = { __proto__: null, ...Object.fromEntries([...pairs, ...silent]) };

/** Words that are not their own names. */
export const WORDS = { __proto__: null, bmod: "mod", limsup: "lim sup", liminf: "lim inf" };

/** What goes over a letter. */
export const ACCENTS = {
  __proto__: null, bar: "\u0304", hat: "\u0302", tilde: "\u0303", dot: "\u0307", ddot: "\u0308",
  vec: "\u20d7",
};

/** Letters of a blackboard. */
export const LETTERS = { __proto__: null, C: "ℂ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ" };

/** What stands around the rows of an environment. */
export const FENCES = {
  __proto__: null, pmatrix: "()", bmatrix: "[]", Bmatrix: "{}", vmatrix: "||", Vmatrix: "‖‖",
  cases: ["{ ", ""],
};

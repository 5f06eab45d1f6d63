// Light or dark as the reader's system is, also when that changes: the pictures go by it, too.
const dark = matchMedia("(prefers-color-scheme: dark)");
const look = () => document.body.setAttribute("data-md-color-scheme", dark.matches ? "slate" : "default");
dark.addEventListener("change", look);
look();

#!/usr/bin/env python3
"""Lists what lies above the second column of the limits: a list to read, no verdict.

Counts by layout, which clang-format guarantees: a function's body lies between '{' and '}' in the first
column, and every level of nesting is one tab.
"""
import glob
import re

FUNCTION, FILE, HEADER, ARGUMENTS, NESTING, MEMBERS = 100, 900, 200, 6, 4, 30
found = []


def arguments(signature):
    inside = signature[signature.find("(") + 1 : signature.rfind(")")]
    depth = commas = 0
    for c in inside:
        depth += (c == "(") - (c == ")")
        commas += c == "," and depth == 0
    return commas + 1 if inside.strip() not in ("", "void") else 0


def functions(path, lines):
    start = None
    for i, line in enumerate(lines):
        if line == "{" and i > 0 and lines[i - 1].endswith(")"):
            head = i - 1
            while head > 0 and lines[head][:1] in ("\t", " "):
                head -= 1
            start, signature = i, " ".join(lines[head:i])
            name = re.search(r"([A-Za-z_0-9]+)\(", signature)
            name = name.group(1) if name else "?"
        elif line == "}" and start is not None:
            body = lines[start + 1 : i]
            deep = [
                len(m.group(1))
                for m in (re.match(r"(\t+)(?:\} )?(?:else )?(?:if|for|while|switch|do)\b", b) for b in body)
                if m
            ]
            if i - start - 1 > FUNCTION:
                found.append((path, start, f"{name}: {i - start - 1} lines"))
            if arguments(signature) > ARGUMENTS:
                found.append((path, start, f"{name}: {arguments(signature)} arguments"))
            if max(deep, default=0) > NESTING:
                found.append((path, start, f"{name}: nested {max(deep)} deep"))
            start = None


def structs(path, lines):
    start = None
    for i, line in enumerate(lines):
        if re.match(r"struct \w+ \{$", line):
            start, count = i, 0
        elif start is not None and line.startswith("}"):
            if count > MEMBERS:
                found.append((path, start, f"{lines[start][:-2]}: {count} members"))
            start = None
        elif start is not None and re.match(r"\t[^\t].*;", line):
            count += re.sub(r"\[[^]]*\]|\([^)]*\)|/\*.*", "", line).count(",") + 1


for path in sorted(p for d in ("common", "policy", "sbc", "rtpproxy", "tests") for p in glob.glob(d + "/**/*.[ch]", recursive=True) if not p.startswith("tests/bench/load/")):
    with open(path, encoding="utf-8", errors="replace") as f:
        lines = f.read().split("\n")
    limit = HEADER if path.endswith(".h") else FILE
    if len(lines) > limit:
        found.append((path, 0, f"{len(lines)} lines"))
    functions(path, lines)
    structs(path, lines)

print(f"To read, above the limits of size ({len(found)}):" if found else "Nothing is above the limits of size.")
for path, line, text in found:
    print(f"        {path}:{line + 1}: {text}")

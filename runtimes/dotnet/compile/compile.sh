#!/bin/sh
# Compiles C# against the libraries of a .NET, with Mono's compiler (Debian: mono-mcs, libmono-cecil-private-cil), for machines
# on which Microsoft's cannot be had.
#
#   compile.sh FRAMEWORK OUTPUT KIND [-r:ASSEMBLY | SOURCE]...
#
# FRAMEWORK is a folder such as shared/Microsoft.NETCore.App/3.1.23; KIND is exe or library. What it makes runs on that version
# of .NET and all later ones: it refers to contracts only. It refuses to leave half of its work in OUTPUT.
set -eu
here=$(dirname "$0")
framework=$1 output=$2 kind=$3
shift 3

# Those of Windows refer to what is on no other system.
contracts=$(find "$framework" -name '*.dll' ! -name 'System.Private.*' ! -name '*WindowsRuntime*' | sort)
references=
for path in $contracts "$framework"/System.Private.*.dll; do
  references="$references -r:$path"
done
cecil=$(find /usr/lib/mono/gac/Mono.Cecil -path '*/0.1[1-9]*' -name Mono.Cecil.dll | sort | tail -n 1)
aside=$(mktemp -d)
trap 'rm -rf "$aside"' EXIT
# Two assemblies that differ in nothing but the token of their names are one.
mcs -langversion:latest -nologo -nowarn:1702 -out:"$aside/Retarget.exe" -r:"$cecil" "$here/Retarget.cs"
result=$aside/$(basename "$output")
mcs -langversion:latest -nologo -nostdlib -noconfig -nowarn:1702 -optimize+ -target:"$kind" -out:"$result" $references "$@"
mono "$aside/Retarget.exe" "$result" $contracts
mv "$result" "$output"
chmod 644 "$output"

// Makes an assembly refer to the contracts of .NET (System.Runtime, System.Collections, ...) in place of the library that
// implements most of them, as Microsoft's compiler would have: Mono's looks through the contracts, and what it writes names
// System.Private.CoreLib, which no version of .NET promises to keep.
//
//   Retarget.exe ASSEMBLY CONTRACT...
//
// The contracts are the DLLs of the framework that the assembly was compiled against. It refuses a type that none of them has.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Mono.Cecil;

static class Retarget
{
    const string Implementation = "System.Private.";

    static int Main(string[] arguments)
    {
        var contracts = new Dictionary<string, AssemblyNameDefinition>();
        // Of two that have a type, the contract proper comes before those that only gather others.
        foreach (string path in arguments.Skip(1).OrderBy(Rank).ThenBy(path => path, StringComparer.Ordinal))
        {
            ModuleDefinition contract = ModuleDefinition.ReadModule(path);
            foreach (ExportedType type in contract.ExportedTypes.Where(type => type.IsForwarder))
            {
                if (!contracts.ContainsKey(type.FullName))
                {
                    contracts.Add(type.FullName, contract.Assembly.Name);
                }
            }
        }
        // Constants of an enumeration are written by its size, which only its definition tells.
        var resolver = new DefaultAssemblyResolver();
        foreach (string path in arguments)
        {
            resolver.AddSearchDirectory(Path.GetDirectoryName(Path.GetFullPath(path)));
        }
        var assembly = new MemoryStream(File.ReadAllBytes(arguments[0]));
        ModuleDefinition module = ModuleDefinition.ReadModule(assembly, new ReaderParameters { AssemblyResolver = resolver });
        var used = new Dictionary<string, AssemblyNameReference>();
        foreach (TypeReference type in module.GetTypeReferences().ToList())
        {
            var scope = type.Scope as AssemblyNameReference;
            // A nested type goes with the one around it.
            if (scope == null || type.DeclaringType != null || !scope.Name.StartsWith(Implementation, StringComparison.Ordinal))
            {
                continue;
            }
            AssemblyNameDefinition contract;
            if (!contracts.TryGetValue(type.FullName, out contract))
            {
                Console.Error.WriteLine("no contract has the type " + type.FullName);
                return 1;
            }
            AssemblyNameReference reference;
            if (!used.TryGetValue(contract.Name, out reference))
            {
                reference = module.AssemblyReferences.FirstOrDefault(known => known.Name == contract.Name);
                if (reference == null)
                {
                    reference = AssemblyNameReference.Parse(contract.FullName);
                    module.AssemblyReferences.Add(reference);
                }
                used.Add(contract.Name, reference);
            }
            type.Scope = reference;
        }
        foreach (AssemblyNameReference reference in module.AssemblyReferences.ToList())
        {
            if (reference.Name.StartsWith(Implementation, StringComparison.Ordinal))
            {
                module.AssemblyReferences.Remove(reference);
            }
        }
        module.Write(arguments[0]);
        return 0;
    }

    static int Rank(string path)
    {
        switch (Path.GetFileNameWithoutExtension(path))
        {
            case "System.Runtime": return 0;
            case "System":
            case "System.Core":
            case "mscorlib":
            case "netstandard": return 2;
            default: return 1;
        }
    }
}

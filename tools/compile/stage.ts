/** Copies the modules that main.ts reaches, and the packages that they import. */

/** A package as `deno info` lists it. */
export interface Package {
  name: string;
  version: string;
  dependencies: string[];
  localPath: string;
}

interface Graph {
  modules: { kind: string; specifier: string; error?: string }[];
  npmPackages: Record<string, Package>;
}

interface Manifest {
  name: string;
  version: string;
  license: string;
  unstable: string[];
  imports: Record<string, string>;
}

/** Of no use at run time. */
const SKIPPED = /\.(map|md|d\.[cm]?ts)$/;

/**
 * Copies to `app` what runs: modules at their places, packages into node_modules, where Deno finds
 * them without a cache and whatever registry a user has configured.
 * @returns The packages, sorted by name.
 */
export async function stageModules(manifest: Manifest, app: string): Promise<Package[]> {
  const root = `file://${Deno.cwd()}/`;
  const graph = await readWholeGraph(root);
  for (const { specifier, error } of graph.modules) {
    if (error !== undefined) throw new Error(`Cannot use ${specifier}: ${error}`);
    if (specifier.startsWith("npm:") || specifier.startsWith("node:")) continue;
    if (!specifier.startsWith(root)) throw new Error(`Cannot ship ${specifier}: it is elsewhere`);
    const path = specifier.slice(root.length);
    if (path !== "deno.json") await copy(path, `${app}/${path}`);
  }
  const packages = reachedPackages(graph);
  for (const { name, localPath } of packages) {
    await copyTree(localPath, `${app}/node_modules/${name}`);
  }
  const { name, version, license, unstable } = manifest;
  const imports = Object.fromEntries(
    Object.entries(manifest.imports).filter(([key]) => packages.some((it) => it.name === key)),
  );
  const shipped = { name, version, license, unstable, nodeModulesDir: "manual", imports };
  await Deno.writeTextFile(`${app}/deno.json`, JSON.stringify(shipped, undefined, 2) + "\n");
  return packages;
}

/** The modules of main.ts, and those of the workers that modules name by their URL. */
async function readWholeGraph(root: string): Promise<Graph> {
  const modules = new Map<string, Graph["modules"][number]>();
  const packages: Graph["npmPackages"] = {};
  const entries = ["main.ts"];
  for (const entry of entries) {
    const graph = await readGraph(entry);
    Object.assign(packages, graph.npmPackages);
    for (const module of graph.modules) {
      const { specifier } = module;
      if (modules.has(specifier)) continue;
      modules.set(specifier, module);
      if (!specifier.startsWith(root) || !specifier.endsWith(".ts")) continue;
      const text = await Deno.readTextFile(specifier.slice("file://".length));
      for (const [, name] of text.matchAll(/new URL\("(\.[^"]+)", import\.meta\.url\)/g)) {
        const path = new URL(name!, specifier).href.slice(root.length);
        if (!entries.includes(path)) entries.push(path);
      }
    }
  }
  return { modules: [...modules.values()], npmPackages: packages };
}

async function readGraph(entry: string): Promise<Graph> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["info", "--quiet", "--json", entry],
    stderr: "inherit",
  });
  const { success, stdout } = await command.output();
  if (!success) throw new Error(`Cannot list the modules of ${entry}`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Packages that modules import, and those that they depend on; one version of each. */
function reachedPackages({ modules, npmPackages }: Graph): Package[] {
  const reached = new Map<string, Package>();
  const visit = (id: string) => {
    const found = npmPackages[id];
    if (found === undefined) throw new Error(`Cannot find the package ${id}`);
    const known = reached.get(found.name);
    if (known?.version === found.version) return;
    if (known !== undefined) throw new Error(`Cannot ship two versions of ${found.name}`);
    reached.set(found.name, found);
    found.dependencies.forEach(visit);
  };
  for (const { specifier } of modules) {
    const id = /^npm:\/((?:@[^/]+\/)?[^/]+)/.exec(specifier)?.[1];
    if (id !== undefined) visit(id);
  }
  return [...reached.values()].sort((one, other) => one.name < other.name ? -1 : 1);
}

async function copyTree(from: string, to: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyTree(`${from}/${name}`, `${to}/${name}`);
    else if (!SKIPPED.test(name) && !name.startsWith(".")) {
      await copy(`${from}/${name}`, `${to}/${name}`);
    }
  }
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  await Deno.copyFile(from, to);
  await Deno.chmod(to, 0o644);
}

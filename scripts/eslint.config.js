// Lint rules. Type-checked, because in a server a forgotten promise is a crash; and the import directions of
// the layout, because a structure that nothing holds does not last.
import tseslint from "typescript-eslint";

/**
 * What each folder of src may import, beside itself, src/errors.ts, src/log.ts, src/clock.ts,
 * src/remember.ts, src/rollback.ts, src/observer.ts and src/generated. Data comes in at grpc/ and leaves at docker/;
 * nothing points back.
 * src/app.ts, the composition root, and src/command-line.ts see everything.
 */
const mayImport = {
  grpc: ["cri"],
  cri: [
    "containers",
    "docker",
    "events",
    "host",
    "images",
    "inventory",
    "metrics",
    "network",
    "pods",
    "stats",
    "streaming",
  ],
  streaming: ["containers", "docker", "inventory"],
  pods: ["containers", "docker", "host", "images", "inventory", "kube", "linux", "logs", "network"],
  containers: ["docker", "host", "images", "inventory", "kube", "linux", "logs", "mounts"],
  images: ["docker", "kube"],
  events: ["docker", "inventory", "kube"],
  inventory: ["docker", "kube"],
  network: ["docker", "kube"],
  logs: ["docker", "kube"],
  mounts: ["host", "kube"],
  metrics: ["docker", "inventory", "kube", "stats"],
  stats: ["containers", "docker", "inventory", "kube", "linux"],
  linux: ["host"],
  host: ["docker"],
  kube: [],
  docker: [],
  observability: ["docker", "grpc", "inventory", "kube", "logs", "network", "streaming"],
};

/** Files that map values to values: they know no input, no output and no time. */
const pureFiles = [
  "src/kube/*.ts",
  "src/linux/*.ts",
  "src/**/{to-docker,from-docker,spec,mounts,resources,security,auth,reference}.ts",
  "src/network/{bandwidth,pod-cidr,port-mapping}.ts",
  "src/network/cni/{conf,request,result}.ts",
  "src/mounts/{mount-table,options}.ts",
  "src/containers/docker-mounts.ts",
  "src/inventory/changes.ts",
  "src/host/runtime-handlers.ts",
  "src/stats/{cgroup-v1,cgroup-v2,cpu-rates,net-dev,place,pressure,sum,to-cri,usage}.ts",
  "src/metrics/{cgroup-v1,cgroup-v2,host,sample,table,to-cri}.ts",
  "src/observability/tracing-settings.ts",
  "src/config.ts",
];

const folders = Object.keys(mayImport);
const onlyInDocker = {
  regex: "^dockerode$",
  allowTypeImports: true,
  message: "Only src/docker talks to dockerode.",
};
const onlyInGrpc = { regex: "^@grpc/grpc-js$", message: "Only src/grpc knows gRPC; throw a CriError." };
const onlyInObservability = {
  regex: "^(prom-client$|@opentelemetry/)",
  message: "Only src/observability counts and traces; tell an Observer.",
};
const effects = {
  regex: "^node:(fs|child_process|http|timers|dns|dgram|tls)",
  message: "This file is pure: take what it needs as an argument.",
};

/** The patterns a folder's files must not import; grpc-js and dockerode have one home each. */
const forbidden = (folder) => [
  {
    regex: `^\\.\\./(${folders.filter((other) => other !== folder && !mayImport[folder].includes(other)).join("|")})/`,
    message: `src/${folder} may import only: ${mayImport[folder].join(", ") || "nothing of the other folders"}.`,
  },
  { regex: "^\\.\\./(app|command-line|main)\\.js$", message: "Nothing imports the composition root." },
  ...(folder === "docker" ? [] : [onlyInDocker]),
  ...(folder === "grpc" ? [] : [onlyInGrpc]),
  ...(folder === "observability" ? [] : [onlyInObservability]),
];

const restrict = (patterns) => ({ "@typescript-eslint/no-restricted-imports": ["error", { patterns }] });

export default tseslint.config(
  { ignores: ["dist/**", "src/generated/**"] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: "test/tsconfig.json",
        tsconfigRootDir: new URL("..", import.meta.url).pathname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/prefer-promise-reject-errors": "off",
      "@typescript-eslint/only-throw-error": "off",
    },
  },
  ...folders.map((folder) => ({ files: [`src/${folder}/**/*.ts`], rules: restrict(forbidden(folder)) })),
  ...folders.map((folder) => ({
    files: pureFiles.filter((glob) => glob.startsWith("src/**") || glob.startsWith(`src/${folder}/`)),
    ignores: [`src/!(${folder})/**`],
    rules: restrict([...forbidden(folder), effects]),
  })),
  {
    files: ["test/**/*.ts"],
    rules: {
      // node:test's functions return promises that the runner awaits itself.
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            {
              from: "package",
              package: "node:test",
              name: ["test", "suite", "describe", "it", "before", "after", "beforeEach", "afterEach"],
            },
          ],
        },
      ],
      // A client's replies have the shapes of the interface tables, which TypeScript does not know; a test
      // that reads a field wrong fails.
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
);

// Lint rules: typed rules for the Node side, plain ones for the AssemblyScript sources, whose types tsc only imitates.
import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

const shared = {
  eqeqeq: "error",
  "no-console": "error",
  "prefer-const": "error",
};

export default defineConfig(
  { ignores: ["dist/", "build/", "coverage/", "podwire-out/", "**/*.d.ts"] },
  js.configs.recommended,
  {
    files: ["src/**/*.ts", "bench/**/*.ts", "test/**/*.ts", "web/**/*.ts", "web/**/*.tsx"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      ...shared,
      "@typescript-eslint/consistent-type-imports": "error",
      // Numbers and absent values in a template are fine: node-${i}.
      "@typescript-eslint/restrict-template-expressions": "off",
      // An async function may be one to keep an interface's shape.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
    },
  },
  {
    // The command line and the benchmarks speak to the terminal; tests say loudly what they skip.
    files: ["src/cli.ts", "src/commands/**/*.ts", "bench/**/*.ts", "test/**/*.ts"],
    rules: { "no-console": "off" },
  },
  {
    // expect.any() and its like are of type any.
    files: ["test/**/*.ts"],
    rules: { "@typescript-eslint/no-unsafe-assignment": "off" },
  },
  {
    files: ["web/*.js"],
    languageOptions: { globals: { process: "readonly", URL: "readonly" } },
  },
  {
    files: ["assembly/**/*.ts", "*.ts"],
    extends: [tseslint.configs.recommended],
    rules: {
      ...shared,
      // In AssemblyScript == and === are the same, and u32, usize or load are the compiler's own.
      eqeqeq: "off",
      // It has 64-bit literals, and wants a value at every let.
      "no-loss-of-precision": "off",
      "no-useless-assignment": "off",
      "no-undef": "off",
    },
  },
);

// Styles are bundled: esbuild puts what is imported into one file.
declare module "*.css";

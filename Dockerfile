# The image of `podwire sweep manifest`: podwire on Node.js, run by a user without rights.
FROM node:20-slim AS build
WORKDIR /podwire
COPY . .
RUN npm ci && npm prune --omit=dev --ignore-scripts

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /podwire
COPY --from=build /podwire/package.json ./
COPY --from=build /podwire/node_modules node_modules
COPY --from=build /podwire/dist dist
COPY --from=build /podwire/build/release.wasm build/release.wasm
COPY --from=build /podwire/examples examples
COPY --from=build /podwire/bench/linux-path.py /podwire/bench/linux_namespaces.py bench/
USER 1000:1000
ENTRYPOINT ["node", "/podwire/dist/src/cli.js"]

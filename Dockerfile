# The server as an image. See "Hosts with limits" in README for what it needs from the host to run.
FROM node:20-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci
COPY proto proto
COPY scripts/generate-types scripts/
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
# What CNI plugins call, and tc for the bridge.
RUN apt-get update && apt-get install -y --no-install-recommends iptables iproute2 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/dockershim
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY proto proto
ENTRYPOINT ["node", "/opt/dockershim/dist/main.js"]

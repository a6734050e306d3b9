// Lint rules. Type-checked, because a forgotten promise in a server is a crash; and the import directions
// of README's layout, because a structure that nothing holds does not last.
import tseslint from "typescript-eslint";

/** Folders of src, from the rim inwards. A folder imports only what its row names (and itself). */
const mayImport = {
  grpc: ["generated", "errors", "log"],
  cri: ["pods", "containers", "images", "host", "inventory", "network", "kube", "generated", "errors", "grpc-types"],
};

export default tseslint.config();
void mayImport;

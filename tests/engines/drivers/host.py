"""What the drivers in Python share: the host's functions, and the steps of a check."""

import json


class Host:
    """The functions of module `host` that the programs import, and what the host was notified of."""

    def __init__(self):
        self.values = {}
        self.made = 0
        self.notified = 0

    def handle_new(self, _kind, value):
        self.made += 1
        self.values[self.made] = value
        return self.made

    def handle_value(self, handle):
        return self.values[handle]

    def host_decref_handle(self, _kind, handle):
        del self.values[handle]  # a KeyError where it is no live handle
        self.notified += 1

    def steps(self, check, call):
        """The result of each step, as text."""
        results = []
        for name, args, _ in check["steps"]:
            result = self.notified if name == "notified" else call(name, args)
            results.append("" if result is None else str(result))
        return results

    @staticmethod
    def main(folder, run):
        """Runs each check of a folder, and prints what became of it: its results, or what went wrong."""
        outcomes = []
        for check in json.loads((folder / "checks.json").read_text()):
            try:
                results = run(check, folder / f"{check['name']}.wasm")
                outcomes.append({"name": check["name"], "results": results})
            except Exception as error:  # each engine has classes of its own
                outcomes.append({"name": check["name"], "error": f"{type(error).__name__}: {error}"})
        print(json.dumps(outcomes))

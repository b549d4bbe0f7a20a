/** A list of tasks, as an app with the hooks of automerge-repo has it. Counts how often what is rendered. */
import { updateText } from "@automerge/automerge";
import type { AutomergeUrl, Repo } from "@automerge/automerge-repo";
import {
  RepoContext,
  useDocHandle,
  useDocument,
  useDocuments,
  usePresence,
} from "@automerge/automerge-repo-react-hooks";
import { memo, type ReactElement, Suspense } from "react";
import { createRoot } from "react-dom/client";

export interface Task {
  name: string;
  isDone: boolean;
}

export interface Plan {
  title: string;
  tasks: Task[];
}

/** How often it was rendered. */
export const renders: Record<string, number> = {};

function count(what: string): void {
  renders[what] = (renders[what] ?? 0) + 1;
}

const Row = memo(({ task }: { readonly task: Task }): ReactElement => {
  count(task.name);
  return <li>{`${task.name}: ${task.isDone ? "done" : "to do"}`}</li>;
});

function PlanView({ url }: { readonly url: AutomergeUrl }): ReactElement {
  const [plan, changePlan] = useDocument<Plan>(url, { suspense: true });
  count("plan");
  const add = (): void => changePlan((draft) => draft.tasks.push({ name: draft.title, isDone: false }));
  return (
    <main>
      <input
        aria-label="Title"
        value={plan.title}
        onChange={({ target }) => changePlan((draft) => updateText(draft, ["title"], target.value))}
      />
      <button type="button" onClick={add}>
        Add
      </button>
      <ul>
        {plan.tasks.map((task) => (
          <Row key={task.name} task={task} />
        ))}
      </ul>
    </main>
  );
}

/** What else there is of hooks, on the same document. */
function Others({ url }: { readonly url: AutomergeUrl }): ReactElement {
  const handle = useDocHandle<Plan>(url, { suspense: true });
  const [plans, changePlan] = useDocuments<Plan>([url]);
  const { peerStates, localState } = usePresence({ handle, initialState: { name: "me" } });
  count("others");
  const finish = (): void =>
    changePlan(url, (draft) => {
      for (const task of draft.tasks) task.isDone = true;
    });
  return (
    <footer>
      <button type="button" onClick={finish}>
        Finish
      </button>
      <p>{`${plans.get(url)?.tasks.length} tasks, ${localState?.name} and ${Object.keys(peerStates.value).length} others`}</p>
    </footer>
  );
}

/** Returns what takes it away. */
export function showPlan(repo: Repo, url: AutomergeUrl): () => void {
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(
    <RepoContext.Provider value={repo}>
      <Suspense fallback="…">
        <PlanView url={url} />
        <Others url={url} />
      </Suspense>
    </RepoContext.Provider>,
  );
  return () => root.unmount();
}

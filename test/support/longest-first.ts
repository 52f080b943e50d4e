// The order of test files: what takes longest begins first, so that no worker is left alone with it in the end.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const longest = ['test/chaos/delivery.test.ts', 'test/e2e/backlog.test.ts'];

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((path) => moduleId.endsWith(path));
      return at === -1 ? longest.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

// Sentences that hold or do not, counted and printed.

export class Checks {
  passed = 0;
  failed = 0;

  /** Counts a sentence as true or false; `seen` is shown when it is false. */
  that(sentence, holds, seen = "") {
    if (holds) {
      this.passed += 1;
      console.log(`ok      ${sentence}`);
    } else {
      this.failed += 1;
      console.error(`FAILED  ${sentence}${seen && `: ${seen}`}`);
    }
  }
}

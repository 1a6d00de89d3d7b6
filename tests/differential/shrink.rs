//! The shortest part of a program that still fails (delta debugging).

/// So often it is tried at most; each try is a run on both sides.
const TRIES: usize = 600;

/// Leaves out ever smaller parts of `program` as long as the rest fails. Of the result no single step can be left
/// out, unless the tries were used up.
pub fn shrink<T: Clone>(mut program: Vec<T>, mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut tries = 0;
    let mut size = program.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        let before = program.len();
        while start < program.len() {
            if tries == TRIES {
                return program;
            }
            tries += 1;
            let end = (start + size).min(program.len());
            let rest = [&program[..start], &program[end..]].concat();
            if fails(&rest) {
                program = rest;
            } else {
                start = end;
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if program.len() == before {
            return program;
        }
    }
}

#[test]
fn what_is_left_is_only_what_the_failure_needs() {
    let program: Vec<u32> = (0..3000).collect();
    let in_order = |part: &[u32], wanted: &[u32]| {
        let mut wanted = wanted.iter().peekable();
        part.iter().for_each(|step| {
            wanted.next_if(|next| *next == step);
        });
        wanted.next().is_none()
    };
    let mut runs = 0;
    let left = shrink(program.clone(), |part| {
        runs += 1;
        in_order(part, &[17, 1800, 1801, 2999])
    });
    assert_eq!(left, [17, 1800, 1801, 2999]);
    assert!(runs < 150, "{runs} runs");

    // Either of two causes is enough, and one step is needed twice.
    let left = shrink(program.clone(), |part| in_order(part, &[5, 900]) || in_order(part, &[7, 8]));
    assert_eq!(left.len(), 2);
    let left = shrink(vec![1; 100], |part| part.len() >= 2);
    assert_eq!(left, [1, 1]);
    // What always fails needs nothing; what never fails again is left as it is.
    assert!(shrink(program.clone(), |_| true).is_empty());
    assert_eq!(shrink(program.clone(), |_| false), program);
}

//! The numbers of jobs, by row. They mostly follow each other, so only where they do not is kept.

/// Numbers that rise with the rows.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Where numbers that follow each other begin: the row and its number.
    runs: Vec<(u32, u32)>,
    rows: u32,
}

impl Numbers {
    /// The number of the next row; larger than those before.
    pub(crate) fn push(&mut self, number: u32) {
        let follows = self.runs.last().is_some_and(|(row, first)| first + (self.rows - row) == number);
        if !follows {
            self.runs.push((self.rows, number));
        }
        self.rows += 1;
    }

    /// The number of a row.
    pub(crate) fn of(&self, row: u32) -> u32 {
        let (first_row, first) = self.runs[self.runs.partition_point(|(first_row, _)| *first_row <= row) - 1];
        first + (row - first_row)
    }

    /// The row with a number.
    pub(crate) fn row(&self, number: u32) -> Option<u32> {
        let next = self.runs.partition_point(|(_, first)| *first <= number);
        let (first_row, first) = self.runs[next.checked_sub(1)?];
        let end = self.runs.get(next).map_or(self.rows, |(row, _)| *row);
        let row = first_row.checked_add(number - first)?;
        (row < end).then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_rows_find_each_other() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.row(1), None);
        let all = [1, 2, 3, 7, 9, 10, 11];
        all.iter().for_each(|number| numbers.push(*number));
        assert_eq!(numbers.runs.len(), 3);
        assert_eq!((0..7).map(|row| numbers.of(row)).collect::<Vec<_>>(), all);
        for number in 0..14 {
            let row = all.iter().position(|own| *own == number).map(|row| row as u32);
            assert_eq!(numbers.row(number), row, "{number}");
        }
    }
}
